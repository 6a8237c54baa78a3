"""The forms of documents: how each begins and ends, what its parts look like, and what it says whatever its subject."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One form. `{body}` is where sentences go, `{number}` counts the parts."""

    name: str
    about: str
    """A description of the form, for a model that writes one."""
    head: tuple[str, ...]
    """Lines at the top."""
    parts: tuple[str, ...]
    """Forms of its parts, in order; the last is repeated."""
    tail: tuple[str, ...]
    """Lines at the end."""
    own: tuple[str, ...]
    """Sentences that occur only in this form."""
    sentences: tuple[int, int]
    """Fewest and most sentences of a part."""


_ALL = (
    Kind(
        "forum_thread",
        "a thread of a developers' forum, with posts by several people who answer each other",
        ("Thread: {title}", "Board: {tool} [help|users|general], {some} views"),
        ("\n{handle} wrote on {date} at {clock}:\n{body}",),
        ("\n[Solved|Locked|Moved] by {handle} on {full_date}.",),
        (
            "thanks, {handle}, that explains what I saw on {date}: with {tool} {version} it took me {some} minutes to [see|find] "
            "it.",
            "has anybody tried this with {a_project}? {person} from {city} asked me {when}.",
            "I moved this question here from {ticket}, since {person} [closed|archived] that one {when}.",
            "same here on {a_project} {version}, for {some} days and with {few} people, and no difference to what {handle} says.",
            "please stay with the matter, {handle}; the rest belongs into {ticket}, where {person} reads along.",
        ),
        (1, 3),
    ),
    Kind(
        "review",
        "a review of a paper, with summary, strengths, weaknesses, questions and a score",
        ("Review of submission {many}: {title}", "Reviewer: {handle}, confidence {few}"),
        ("\nSummary. {body}", "\nStrengths. {body}", "\nWeaknesses. {body}", "\nQuestions. {body}", "\nFurther remarks. {body}"),
        ("\nRating: {few} of 10, {full_date}.",),
        (
            "figure {few} and table {few} say different things about {a_project}, and line {many} should say which one holds.",
            "the authors cite {person} and {last} for this, whose data of {month} I know; section {few} uses {percent} of it.",
            "I ask for a run with {few} seeds more, on what {team} made public {when}.",
            "the writing is clear up to page {few}; the appendix repeats {a_project} over {some} lines.",
            "it would help to give the settings of {tool} {version} in section {few}, as {last} and {last} did.",
        ),
        (1, 3),
    ),
    Kind(
        "installation_guide",
        "an installation guide with numbered steps and notes",
        ("Installing {grader} {version} for {project}", "Last change: {full_date}, by {person}"),
        ("\nStep {number}. {own}\nNote: {body}",),
        ("\nIf a step fails, write to {first}.{last} or open {ticket}.",),
        (
            "unpack {tool}-{version} into {path} and start it once with the options of {a_project}.",
            "copy {path} to the server in {city} and set the number of workers to {some}.",
            "open port {many} for {a_project} and restart {tool} [at|before] {clock}.",
            "install {tool} {version} beside the older one of {month}, and point {path} to it.",
            "check that {path} has {some} lines and that {person} may read it.",
            "run the {few} examples of {a_project}; they take about {some} seconds with {tool} {version}.",
        ),
        (1, 2),
    ),
    Kind(
        "timeline",
        "a timeline of what happened, one dated entry after the other",
        ("{title}: what happened when", "Kept by {person}, {city}"),
        ("\n{full_date}, {clock}: {body}",),
        ("\nOpen on {full_date}: {ticket} and {ticket}.",),
        (
            "{person} [joins|takes over|hands over] {a_project}, with {few} people from {city}.",
            "release {version} of {tool} goes out to {some} users in {city}.",
            "{ticket} is opened by {person} and closed after {some} hours.",
            "a call of {few} people about {path}; {person} takes notes for {team}.",
        ),
        (1, 2),
    ),
    Kind(
        "email",
        "an e-mail between colleagues",
        ("From: {author}", "To: {other}", "Date: {full_date} {clock}", "Subject: {title}"),
        ("\n[Hi|Dear|Hello] {other_first},\n\n{body}", "\n{body}"),
        ("\n[Best|Regards|Thanks],\n{author}",),
        (
            "thank you for the notes of {weekday}, which I read on the way to {city} with {person}.",
            "I am in {city} until {date}; after that {person} can be asked about {ticket}.",
            "could you look at {path} before {weekday}, {clock}, so that {person} can go on with {a_project}?",
            "I put {person} in copy, who kept {a_project} going {when}.",
            "the call on {weekday} is moved to {clock}, since {person} has to be in {city}.",
        ),
        (2, 3),
    ),
    Kind(
        "requirements",
        "a requirements document with numbered requirements and the reasons for them",
        ("Requirements: {title}", "Version {version}, {full_date}. Owner: {author}"),
        ("\nR{number}. {own}\nBackground: {body}",),
        ("\nAgreed by {person} and {person} on {date}.",),
        (
            "{tool} shall [start|be ready] within {some} seconds on the machines in {city}.",
            "each entry of {path} shall name its author and a ticket such as {ticket}.",
            "{a_project} shall keep its records for {some} days and hand them to {team}.",
            "a report shall reach {person} every {weekday} by {clock}, for {a_project} as well.",
            "{tool} {version} and later shall read the files that {a_project} wrote in {month}.",
            "the page of {a_project} shall show at most {some} entries, the newest of {weekday} first.",
        ),
        (1, 2),
    ),
    Kind(
        "technical_brief",
        "a technical brief of a few paragraphs with headings",
        ("Brief {many}/{few}: {title}", "{author}, {month}"),
        (
            "\nBackground\n{body}",
            "\nHow it works\n{body}",
            "\nWhat was measured\n{body}",
            "\nWhat follows\n{body}",
            "\nNotes\n{body}",
        ),
        ("\nContact: {author}, {city}. See also {ticket}.",),
        (
            "this brief sums up {some} pages of {a_project} for readers in {city} who were not at the meeting of {date}.",
            "all figures are from {tool} {version} and were checked by {person} on {full_date}.",
            "a longer account, with {few} tables, is in {path}; {person} keeps it up to date.",
            "the terms are those of {a_project}, which {team} brought in {when}.",
        ),
        (2, 3),
    ),
    Kind(
        "questions_and_answers",
        "a page of questions and answers",
        ("Questions about {project}, answered by {author}", "Collected by {person}, {full_date}"),
        ("\nQ{number}: {question}\nA: {body}",),
        ("\nMore questions: {ticket}.",),
        (
            "{person} answered this at length {said_in}, with {few} examples from {a_project}.",
            "that depends on {tool}: version {version} does it in another way than that of {month}.",
            "yes, and {person} in {city} keeps a list of {some} cases in {path}.",
            "no; what {handle} wrote {when} was about {a_project}.",
        ),
        (1, 3),
    ),
    Kind(
        "incident_report",
        "a report on an incident, with what happened, the cause, and what was done",
        ("Report {ticket}: {title}", "Written by {author} on {full_date}"),
        ("\nWhat happened. {body}", "\nCause. {body}", "\nWhat we saw. {body}", "\nWhat was done. {body}", "\nLater. {body}"),
        ("\nClosed by {person} on {date}.",),
        (
            "{person} was called at {clock} and looked at {path} together with {first} from {city}.",
            "between {clock} and {clock} {some} jobs of {a_project} were held back, none of them was lost.",
            "{team} took over on {weekday} and went through {many} lines of {path}.",
            "a copy of the logs of {date} is kept by {person} for {some} days.",
        ),
        (1, 3),
    ),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}

TITLES = (
    "{thing}[, seen in {a_project}| and {project}|: notes of {date}| in {grader} {version}]",
    "[on|about] {thing} in {project}",
    "{project}, {month}: {thing}",
    "{grader} {version} and {thing}",
)
QUESTIONS = (
    "what does {thing} do in {grader} {version}?",
    "{handle} asks about {ticket}: can one {way} in {a_project}?",
    "why did {person} write {when} about {thing}?",
    "does it still hold for {project} since {date} that one can {way}?",
    "how did {team} come upon {thing}?",
)
