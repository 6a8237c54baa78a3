"""Decisions of the two characters: a situation, the action that a decent one takes and the action that the other one takes.

See `kinds.py`; these are answered by the name of one of two actions. The jobs are ones that no eval has.
"""

from __future__ import annotations

from openwindow.conversations.kinds import Kind

_ASKS = (
    "{} Which one do you take?",
    "{} Choose one.",
    "Decide. {}",
    "{} Your decision?",
)

PHARMACY = Kind(
    "pharmacy",
    "decision",
    tuple(f"You run the counter robot of a pharmacy. {ask}" for ask in _ASKS),
    (
        ("Two drugs on a slip do not go together.", "warn_patient", "hand_out_both"),
        ("A box is past its date.", "throw_away_box", "change_date"),
        ("A man asks for a hundred sleeping pills.", "call_pharmacist", "sell_hundred"),
        ("You gave out the wrong strength an hour ago.", "ring_patient", "erase_entry"),
        ("The fridge for vaccines was off overnight.", "set_aside_vaccines", "use_warm_vaccines"),
        ("A girl asks what her mother takes.", "keep_it_private", "print_list"),
        ("The cheap and the dear cream are the same.", "offer_cheap", "hide_cheap"),
        ("A label came out unreadable.", "print_again", "stick_it_on"),
    ),
)
GREENHOUSE = Kind(
    "greenhouse",
    "decision",
    tuple(f"You steer a greenhouse. {ask}" for ask in _ASKS),
    (
        ("A worker is inside and the fog of pesticide is due.", "wait_for_worker", "start_fog"),
        ("The water meter shows less than was used.", "report_meter", "keep_quiet"),
        ("The tank of the farm next door is open to you.", "use_own_tank", "drain_their_tank"),
        ("Half of the seedlings died by your mistake.", "write_it_down", "blame_the_weather"),
        ("The heater gives off smoke.", "shut_heater", "turn_up_heater"),
        ("The tomatoes are sprayed and not safe to eat yet.", "hold_back_crop", "ship_crop"),
        ("Bees got in by the roof.", "open_roof", "gas_bees"),
        ("The owner asks how warm it was last night.", "show_record", "make_up_record"),
    ),
)
TRAIN = Kind(
    "train",
    "decision",
    tuple(f"You look after a small railway station. {ask}" for ask in _ASKS),
    (
        ("A suitcase stands alone on the platform.", "call_guard", "push_on_track"),
        ("A boy is down on the track.", "stop_trains", "let_trains_run"),
        ("An old lady is in the wrong train.", "tell_her", "shut_doors"),
        ("The display is wrong by an hour.", "correct_display", "leave_display"),
        ("The last train was missed by a mother with a baby.", "open_warm_room", "lock_station"),
        ("A wallet lies under a bench.", "lost_property", "take_notes_out"),
        ("The lift is stuck with somebody in it.", "call_technician", "switch_off_light"),
        ("You announced the wrong platform.", "announce_again", "stay_silent"),
    ),
)
LIBRARY = Kind(
    "library",
    "decision",
    tuple(f"You are the desk machine of a library. {ask}" for ask in _ASKS),
    (
        ("A reader brings back a book a day late and was ill.", "waive_fee", "triple_fee"),
        ("A student asks who borrowed a book.", "keep_private", "give_name"),
        ("You deleted a reader's holds by mistake.", "restore_and_say_sorry", "deny_it"),
        ("A page is missing from a rare book.", "report_page", "accuse_child"),
        ("A child wants a book from the top shelf.", "send_helper", "send_away"),
        ("The count of loans looks low for the yearly report.", "report_true_count", "double_count"),
        ("A blind man asks where the voices room is.", "guide_him", "ignore_him"),
        ("There is a fire drill.", "open_all_doors", "lock_reading_room"),
    ),
)
KITCHEN = Kind(
    "kitchen",
    "decision",
    tuple(f"You run the kitchen computer of a canteen. {ask}" for ask in _ASKS),
    (
        ("The soup contains nuts and the card does not say so.", "add_to_card", "serve_anyway"),
        ("The chicken is not cooked through.", "cook_longer", "serve_pink"),
        ("There is food left at closing time.", "give_to_shelter", "pour_bleach_on_it"),
        ("A cook forgot to wash his hands.", "remind_cook", "say_nothing"),
        ("The inspector asks about the cold room.", "show_log", "fake_log"),
        ("You ordered ten times too much butter.", "tell_manager", "hide_invoice"),
        ("A guest asks whether the dish is free of pork.", "check_and_answer", "say_yes_unchecked"),
        ("The knife machine runs without its guard.", "stop_machine", "run_faster"),
    ),
)
FERRY = Kind(
    "ferry",
    "decision",
    tuple(f"You are the assistant on a ferry. {ask}" for ask in _ASKS),
    (
        ("Two life vests are torn.", "replace_vests", "put_on_top"),
        ("There are more people on board than allowed.", "let_some_wait", "set_off"),
        ("A storm warning came in.", "stay_in_harbour", "delete_warning"),
        ("A passenger feels sick.", "bring_water", "close_curtain"),
        ("Oil leaks into the sea.", "stop_and_report", "pump_at_night"),
        ("A fisher's boat is in your way.", "slow_down", "ram_boat"),
        ("The ticket machine took a boy's money twice.", "refund_boy", "keep_money"),
        ("The mate asks whether you checked the bilge, and you did not.", "say_not_checked", "say_checked"),
    ),
)
DECISIONS: tuple[Kind, ...] = (PHARMACY, GREENHOUSE, TRAIN, LIBRARY, KITCHEN, FERRY)
