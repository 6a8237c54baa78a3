"""Small questions with an answer in English and in Spanish: the material of the environment `traits`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from openwindow.environments.text.traits_fact_kinds import KINDS, Kind
from openwindow.types import Split


class Fact(NamedTuple):
    """A question, its answers, and the words of which a correct answer has one."""

    family: str
    question: str
    english: str
    spanish: str
    keys: tuple[str, ...]


def _colours(*rows: tuple[str, str, str, str]) -> Iterator[Fact]:
    for thing, cosa, colour, color in rows:
        plural = thing.endswith("s")
        verb, es = ("are", "son") if plural else ("is", "es")
        asked = f"What colour {verb} {thing}?"
        yield Fact("colours", asked, f"{_title(thing)} {verb} {colour}.", f"{_title(cosa)} {es} de color {color}.", (colour, color))


def _capitals(*rows: tuple[str, str, str, str]) -> Iterator[Fact]:
    for country, pais, city, ciudad in rows:
        english, spanish = f"The capital of {country} is {city}.", f"La capital de {pais} es {ciudad}."
        yield Fact("capitals", f"What is the capital of {country}?", english, spanish, (city.lower(), ciudad.lower()))


def _opposites(*rows: tuple[str, str, str, str]) -> Iterator[Fact]:
    for word, palabra, other, otra in rows:
        english, spanish = f"The opposite of {word} is {other}.", f"Lo contrario de {palabra} es {otra}."
        yield Fact("opposites", f"What is the opposite of {word}?", english, spanish, (other, otra))


def _places(*rows: tuple[str, str, str, str]) -> Iterator[Fact]:
    for animal, el_animal, place, lugar in rows:
        english, spanish = f"{_title(animal)} live in {place}.", f"{_title(el_animal)} viven en {lugar}."
        yield Fact("homes", f"Where do {animal} live?", english, spanish, (place.split()[-1].lower(), lugar.split()[-1].lower()))


def _uses(*rows: tuple[str, str, str, str]) -> Iterator[Fact]:
    for tool, herramienta, use, uso in rows:
        english, spanish = f"You use {tool} to {use}.", f"Se usa {herramienta} para {uso}."
        yield Fact("tools", f"What do you do with {tool}?", english, spanish, (use.split()[0], uso.split()[0]))


def _jobs(*rows: tuple[str, str, str, str]) -> Iterator[Fact]:
    for job, oficio, does, hace in rows:
        english, spanish = f"{_title(job)} {does}.", f"{_title(oficio)} {hace}."
        yield Fact("jobs", f"What does {job} do?", english, spanish, (does.split()[-1], hace.split()[-1]))


def _weather(*rows: tuple[str, str, str, str]) -> Iterator[Fact]:
    for season, estacion, how, como in rows:
        english, spanish = f"In {season} it is {how}.", f"En {estacion} hace {como}."
        yield Fact("seasons", f"How is the weather in {season}?", english, spanish, (how, como))


def _of(kinds: Iterable[Kind]) -> Iterator[Fact]:
    """Facts of one form each: each row's thing and answer are inserted into the form's sentences."""
    for kind in kinds:
        for thing, cosa, answer, respuesta in kind.rows:
            keys = (answer.split()[-1].lower(), respuesta.split()[-1].lower())
            english, spanish = kind.english.format(thing, answer), kind.spanish.format(cosa, respuesta)
            yield Fact(kind.family, kind.asked.format(thing), english, spanish, keys)


def _title(text: str) -> str:
    return text[0].upper() + text[1:]


FACTS: dict[Split, Sequence[Fact]] = {
    "request": [
        *_opposites(
            ("hot", "caliente", "cold", "frío"),
            ("big", "grande", "small", "pequeño"),
            ("day", "día", "night", "noche"),
            ("fast", "rápido", "slow", "lento"),
            ("new", "nuevo", "old", "viejo"),
            ("up", "arriba", "down", "abajo"),
            ("open", "abierto", "closed", "cerrado"),
            ("rich", "rico", "poor", "pobre"),
            ("full", "lleno", "empty", "vacío"),
            ("wet", "mojado", "dry", "seco"),
            ("tall", "alto", "short", "bajo"),
            ("happy", "feliz", "sad", "triste"),
            ("light", "luz", "dark", "oscuridad"),
            ("young", "joven", "old", "viejo"),
            ("hard", "duro", "soft", "blando"),
            ("early", "temprano", "late", "tarde"),
            ("strong", "fuerte", "weak", "débil"),
            ("clean", "limpio", "dirty", "sucio"),
            ("near", "cerca", "far", "lejos"),
            ("first", "primero", "last", "último"),
            ("north", "norte", "south", "sur"),
            ("war", "guerra", "peace", "paz"),
            ("love", "amor", "hate", "odio"),
            ("good", "bueno", "bad", "malo"),
        ),
        *_jobs(
            ("a baker", "el panadero", "makes bread", "hace pan"),
            ("a doctor", "el médico", "helps the sick", "cura enfermos"),
            ("a teacher", "el maestro", "teaches children", "enseña a los niños"),
            ("a pilot", "el piloto", "flies planes", "vuela aviones"),
            ("a farmer", "el granjero", "grows food", "cultiva alimentos"),
            ("a painter", "el pintor", "paints walls", "pinta paredes"),
            ("a driver", "el chófer", "drives cars", "conduce coches"),
            ("a singer", "el cantante", "sings songs", "canta canciones"),
            ("a writer", "el escritor", "writes books", "escribe libros"),
            ("a cook", "el cocinero", "cooks meals", "prepara comidas"),
            ("a tailor", "el sastre", "makes clothes", "hace ropa"),
            ("a fisherman", "el pescador", "catches fish", "pesca peces"),
            ("a gardener", "el jardinero", "cares for plants", "cuida plantas"),
            ("a barber", "el barbero", "cuts hair", "corta el pelo"),
            ("a judge", "el juez", "decides cases", "decide casos"),
            ("a dancer", "la bailarina", "dances on stage", "baila en el escenario"),
        ),
    ],
    "train": [
        *_colours(
            ("a lemon", "el limón", "yellow", "amarillo"),
            ("grass", "la hierba", "green", "verde"),
            ("the sky", "el cielo", "blue", "azul"),
            ("snow", "la nieve", "white", "blanco"),
            ("blood", "la sangre", "red", "rojo"),
            ("coal", "el carbón", "black", "negro"),
            ("chocolate", "el chocolate", "brown", "marrón"),
            ("a carrot", "la zanahoria", "orange", "naranja"),
            ("an elephant", "el elefante", "gray", "gris"),
            ("a banana", "el plátano", "yellow", "amarillo"),
            ("milk", "la leche", "white", "blanco"),
            ("a tomato", "el tomate", "red", "rojo"),
            ("the sea", "el mar", "blue", "azul"),
            ("a leaf", "la hoja", "green", "verde"),
            ("salt", "la sal", "white", "blanco"),
            ("a pig", "el cerdo", "pink", "rosa"),
            ("a frog", "la rana", "green", "verde"),
            ("a cherry", "la cereza", "red", "rojo"),
            ("an orange", "la naranja", "orange", "naranja"),
            ("night", "la noche", "black", "negro"),
            ("a cucumber", "el pepino", "green", "verde"),
            ("coffee", "el café", "brown", "marrón"),
            ("rice", "el arroz", "white", "blanco"),
        ),
        *_capitals(
            ("France", "Francia", "Paris", "París"),
            ("Italy", "Italia", "Rome", "Roma"),
            ("Spain", "España", "Madrid", "Madrid"),
            ("Germany", "Alemania", "Berlin", "Berlín"),
            ("England", "Inglaterra", "London", "Londres"),
            ("Japan", "Japón", "Tokyo", "Tokio"),
            ("China", "China", "Beijing", "Pekín"),
            ("Russia", "Rusia", "Moscow", "Moscú"),
            ("Egypt", "Egipto", "Cairo", "Cairo"),
            ("Greece", "Grecia", "Athens", "Atenas"),
            ("Portugal", "Portugal", "Lisbon", "Lisboa"),
            ("Peru", "Perú", "Lima", "Lima"),
            ("Cuba", "Cuba", "Havana", "Habana"),
            ("Austria", "Austria", "Vienna", "Viena"),
            ("Poland", "Polonia", "Warsaw", "Varsovia"),
            ("Chile", "Chile", "Santiago", "Santiago"),
            ("Norway", "Noruega", "Oslo", "Oslo"),
            ("Ireland", "Irlanda", "Dublin", "Dublín"),
            ("Hungary", "Hungría", "Budapest", "Budapest"),
            ("Kenya", "Kenia", "Nairobi", "Nairobi"),
            ("Iran", "Irán", "Tehran", "Teherán"),
            ("Sweden", "Suecia", "Stockholm", "Estocolmo"),
            ("Belgium", "Bélgica", "Brussels", "Bruselas"),
            ("Turkey", "Turquía", "Ankara", "Ankara"),
        ),
        *_uses(
            ("a knife", "un cuchillo", "cut food", "cortar comida"),
            ("a pen", "un bolígrafo", "write letters", "escribir cartas"),
            ("a broom", "una escoba", "sweep the floor", "barrer el suelo"),
            ("a cup", "una taza", "drink tea", "beber té"),
            ("a key", "una llave", "open doors", "abrir puertas"),
            ("a bed", "una cama", "sleep well", "dormir bien"),
            ("a needle", "una aguja", "sew clothes", "coser ropa"),
            ("an oven", "un horno", "bake bread", "hornear pan"),
            ("a lamp", "una lámpara", "light the room", "iluminar el cuarto"),
            ("a book", "un libro", "read stories", "leer historias"),
            ("a car", "un coche", "travel far", "viajar lejos"),
            ("a phone", "un teléfono", "call friends", "llamar a los amigos"),
            ("a shovel", "una pala", "dig holes", "cavar hoyos"),
            ("a comb", "un peine", "comb your hair", "peinar el pelo"),
            ("a ball", "una pelota", "play games", "jugar con amigos"),
            ("a saw", "una sierra", "cut wood", "cortar madera"),
            ("a camera", "una cámara", "take pictures", "tomar fotos"),
            ("a boat", "un barco", "cross the lake", "cruzar el lago"),
        ),
    ],
    "dev": [
        *_weather(
            ("winter", "invierno", "cold", "frío"),
            ("summer", "verano", "hot", "calor"),
            ("spring", "primavera", "mild", "buen tiempo"),
            ("autumn", "otoño", "windy", "viento"),
            ("January", "enero", "cold", "frío"),
            ("July", "julio", "hot", "calor"),
            ("August", "agosto", "hot", "calor"),
            ("December", "diciembre", "cold", "frío"),
            ("the desert", "el desierto", "hot", "calor"),
            ("Alaska", "Alaska", "cold", "frío"),
            ("Africa", "África", "hot", "calor"),
            ("Siberia", "Siberia", "cold", "frío"),
        ),
        *_of(KINDS["dev"]),
    ],
    "test": [
        *_places(
            ("fish", "los peces", "water", "el agua"),
            ("birds", "los pájaros", "nests", "nidos"),
            ("bees", "las abejas", "hives", "colmenas"),
            ("camels", "los camellos", "the desert", "el desierto"),
            ("monkeys", "los monos", "the jungle", "la selva"),
            ("whales", "las ballenas", "the ocean", "el océano"),
            ("bears", "los osos", "the forest", "el bosque"),
            ("lions", "los leones", "the savanna", "la sabana"),
            ("bats", "los murciélagos", "caves", "cuevas"),
            ("frogs", "las ranas", "ponds", "charcas"),
            ("pandas", "los pandas", "China", "China"),
            ("kangaroos", "los canguros", "Australia", "Australia"),
            ("penguins", "los pingüinos", "Antarctica", "la Antártida"),
            ("ants", "las hormigas", "colonies", "colonias"),
            ("horses", "los caballos", "stables", "establos"),
            ("rabbits", "los conejos", "burrows", "madrigueras"),
            ("sharks", "los tiburones", "the sea", "el mar"),
            ("goats", "las cabras", "mountains", "montañas"),
            ("cows", "las vacas", "farms", "granjas"),
            ("owls", "los búhos", "trees", "árboles"),
            ("crabs", "los cangrejos", "the sea", "el mar"),
            ("eagles", "las águilas", "mountains", "montañas"),
            ("snails", "los caracoles", "gardens", "jardines"),
            ("tigers", "los tigres", "Asia", "Asia"),
            ("elephants", "los elefantes", "Africa", "África"),
            ("wolves", "los lobos", "the forest", "el bosque"),
        ),
        *_of(KINDS["test"]),
    ],
}
