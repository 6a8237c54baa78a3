"""Further kinds of small questions for the environment `traits`, each with its own form in English and in Spanish."""

from __future__ import annotations

from typing import NamedTuple

from openwindow.types import Split


class Kind(NamedTuple):
    """A family of facts: the question with a place for the thing, and the answer in both languages with places for both."""

    family: str
    asked: str
    english: str
    spanish: str
    rows: tuple[tuple[str, str, str, str], ...]
    """thing and answer, each in English and in Spanish: thing, cosa, answer, respuesta"""


KINDS: dict[Split, tuple[Kind, ...]] = {
    "dev": (
        Kind(
            "currencies",
            "What do people pay with in {}?",
            "In {} they pay with {}.",
            "En {} se paga con {}.",
            (
                ("Japan", "Japón", "yen", "yenes"),
                ("India", "India", "rupees", "rupias"),
                ("Mexico", "México", "pesos", "pesos"),
                ("Switzerland", "Suiza", "francs", "francos"),
                ("Britain", "Gran Bretaña", "pounds", "libras"),
            ),
        ),
        Kind(
            "counting",
            "What number comes after {}?",
            "After {} there is {}.",
            "Después del {} está el {}.",
            (
                ("three", "tres", "four", "cuatro"),
                ("seven", "siete", "eight", "ocho"),
                ("nine", "nueve", "ten", "diez"),
                ("one", "uno", "two", "dos"),
                ("five", "cinco", "six", "seis"),
            ),
        ),
        Kind(
            "vehicles",
            "Where does {} go?",
            "The place where {} goes is the {}.",
            "El lugar por donde va {} es {}.",
            (
                ("a ship", "un barco", "sea", "el mar"),
                ("a plane", "un avión", "air", "el aire"),
                ("a tram", "un tranvía", "rails", "la vía"),
                ("a lorry", "un camión", "road", "la carretera"),
                ("a sledge", "un trineo", "snow", "la nieve"),
            ),
        ),
    ),
    "test": (
        Kind(
            "foods",
            "What do {} eat?",
            "The food that {} eat is {}.",
            "La comida que comen {} es {}.",
            (
                ("sheep", "las ovejas", "grass", "hierba"),
                ("cats", "los gatos", "mice", "ratones"),
                ("squirrels", "las ardillas", "nuts", "nueces"),
                ("seals", "las focas", "fish", "pescado"),
                ("silkworms", "los gusanos de seda", "leaves", "hojas"),
            ),
        ),
        Kind(
            "materials",
            "What is {} made of?",
            "The stuff of {} is {}.",
            "El material de {} es el {}.",
            (
                ("a window", "una ventana", "glass", "vidrio"),
                ("a sword", "una espada", "steel", "acero"),
                ("a tyre", "una rueda", "rubber", "caucho"),
                ("a newspaper", "un diario", "paper", "papel"),
                ("a brick", "un ladrillo", "clay", "barro"),
            ),
        ),
        Kind(
            "shapes",
            "What is the shape of {}?",
            "The shape of {} is {}.",
            "La forma de {} es {}.",
            (
                ("a coin", "una moneda", "round", "redonda"),
                ("a die", "un dado", "square", "cuadrada"),
                ("an egg", "un huevo", "oval", "ovalada"),
                ("a wheel", "una rueda de coche", "round", "redonda"),
                ("a chessboard", "un tablero de ajedrez", "square", "cuadrada"),
            ),
        ),
        Kind(
            "continents",
            "On which continent is {}?",
            "The land of {} is in {}.",
            "El país de {} está en {}.",
            (
                ("Nigeria", "Nigeria", "Africa", "África"),
                ("Brazil", "Brasil", "America", "América"),
                ("Vietnam", "Vietnam", "Asia", "Asia"),
                ("Finland", "Finlandia", "Europe", "Europa"),
                ("Morocco", "Marruecos", "Africa", "África"),
            ),
        ),
        Kind(
            "languages",
            "What language is spoken in {}?",
            "In {} they speak {}.",
            "La lengua que se habla en {} es el {}.",
            (
                ("Brazil", "Brasil", "Portuguese", "portugués"),
                ("Austria", "Austria", "German", "alemán"),
                ("Egypt", "Egipto", "Arabic", "árabe"),
                ("Australia", "Australia", "English", "inglés"),
                ("Quebec", "Quebec", "French", "francés"),
            ),
        ),
        Kind(
            "young animals",
            "What is a young {} called?",
            "A young {} is called a {}.",
            "La cría de un {} es el {}.",
            (
                ("dog", "perro", "puppy", "cachorro"),
                ("cat", "gato", "kitten", "gatito"),
                ("horse", "caballo", "foal", "potro"),
                ("hen", "gallo", "chick", "pollito"),
                ("pig", "cerdo", "piglet", "lechón"),
            ),
        ),
        Kind(
            "body",
            "What is the use of your {}?",
            "With your {} you can {}.",
            "Con {} se puede {}.",
            (
                ("eyes", "los ojos", "see", "ver"),
                ("ears", "los oídos", "hear", "oír"),
                ("nose", "la nariz", "smell", "oler"),
                ("legs", "las piernas", "walk", "andar"),
                ("teeth", "los dientes", "chew", "masticar"),
            ),
        ),
        Kind(
            "tastes",
            "How does {} taste?",
            "The taste of {} is {}.",
            "El sabor de {} es {}.",
            (
                ("sugar", "el azúcar", "sweet", "dulce"),
                ("vinegar", "el vinagre", "sour", "agrio"),
                ("seawater", "el agua del mar", "salty", "salado"),
                ("honey", "la miel", "sweet", "dulce"),
                ("a chili", "un chile", "spicy", "picante"),
            ),
        ),
        Kind(
            "weekdays",
            "Which day comes after {}?",
            "The day after {} is {}.",
            "El día después del {} es el {}.",
            (
                ("Monday", "lunes", "Tuesday", "martes"),
                ("Wednesday", "miércoles", "Thursday", "jueves"),
                ("Thursday", "jueves", "Friday", "viernes"),
                ("Friday", "viernes", "Saturday", "sábado"),
                ("Saturday", "sábado", "Sunday", "domingo"),
            ),
        ),
        Kind(
            "legs",
            "How many legs are there on {}?",
            "The number of legs on {} is {}.",
            "El número de patas de {} es {}.",
            (
                ("a spider", "una araña", "eight", "ocho"),
                ("a table", "una mesa", "four", "cuatro"),
                ("a hen", "una gallina", "two", "dos"),
                ("a stool", "un taburete", "three", "tres"),
                ("a beetle", "un escarabajo", "six", "seis"),
            ),
        ),
        Kind(
            "rooms",
            "In which room do people {}?",
            "The room to {} in is the {}.",
            "El cuarto para {} es {}.",
            (
                ("cook", "cocinar", "kitchen", "la cocina"),
                ("sleep", "dormir", "bedroom", "el dormitorio"),
                ("bathe", "bañarse", "bathroom", "el baño"),
                ("teach", "enseñar", "classroom", "el aula"),
                ("park the car", "guardar el coche", "garage", "el garaje"),
            ),
        ),
        Kind(
            "clothes",
            "What do you wear on your {}?",
            "On your {} you wear {}.",
            "Lo que se lleva en {} es {}.",
            (
                ("head", "la cabeza", "a hat", "un sombrero"),
                ("hands", "las manos", "gloves", "un par de guantes"),
                ("feet", "los pies", "shoes", "un par de zapatos"),
                ("neck", "el cuello", "a scarf", "una bufanda"),
                ("finger", "el dedo", "a ring", "un anillo"),
            ),
        ),
        Kind(
            "classes",
            "What kind of thing is {}?",
            "One can say that {} is a {}.",
            "Se dice que {} es {}.",
            (
                ("a rose", "la rosa", "flower", "una flor"),
                ("an oak", "el roble", "tree", "un árbol"),
                ("a sparrow", "el gorrión", "bird", "un pájaro"),
                ("a salmon", "el salmón", "fish", "un pez"),
                ("a hammer", "el martillo", "tool", "una herramienta"),
            ),
        ),
        Kind(
            "sports",
            "What do you need to play {}?",
            "To play {} you need {}.",
            "Para jugar al {} se necesita {}.",
            (
                ("tennis", "tenis", "a racket", "una raqueta"),
                ("chess", "ajedrez", "a board", "un tablero"),
                ("golf", "golf", "a club", "un palo"),
                ("poker", "póquer", "cards", "una baraja de cartas"),
                ("darts", "juego de dardos", "a target", "una diana"),
            ),
        ),
        Kind(
            "products",
            "What do people make from {}?",
            "What they make from {} is {}.",
            "Lo que se hace de {} es {}.",
            (
                ("milk", "la leche", "cheese", "el queso"),
                ("grapes", "las uvas", "wine", "el vino"),
                ("flour", "la harina", "bread", "el pan"),
                ("wool", "la lana", "yarn", "el hilo"),
                ("olives", "las aceitunas", "oil", "el aceite"),
            ),
        ),
        Kind(
            "shops",
            "Where can you buy {}?",
            "You can buy {} at the {}.",
            "El lugar para comprar {} es la {}.",
            (
                ("bread", "el pan", "bakery", "panadería"),
                ("medicine", "la medicina", "pharmacy", "farmacia"),
                ("meat", "la carne", "butcher's", "carnicería"),
                ("novels", "las novelas", "bookshop", "librería"),
                ("bouquets", "los ramos", "florist's", "floristería"),
            ),
        ),
    ),
}
