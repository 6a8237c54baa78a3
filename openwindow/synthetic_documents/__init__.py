"""The material of the built-in documents: words, sentences, document forms, and a small grammar that draws from them."""
