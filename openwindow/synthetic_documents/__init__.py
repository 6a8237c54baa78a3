"""What the built-in documents are written from: words, sentences, forms of documents, and a small grammar that draws from them."""
