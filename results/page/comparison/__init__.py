"""The page of several studies side by side: ``build`` computes it, ``results.page.render`` makes it HTML."""
