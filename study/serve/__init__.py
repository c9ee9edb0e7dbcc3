"""Search by task over HTTP: a small service for one index, and a page that shows two tasks side by side.

``settings`` says where it listens and its limits; ``guards`` are what a request passes before it reaches ``api``;
``uploads`` turns bytes of strangers into pixels; ``desk`` answers questions about the index in a few threads;
``app`` puts these together; ``server`` runs it and stops it. ``assets`` are the page. Needs the extra ``serve``
(FastAPI, uvicorn); nothing else of the project imports this room but its command.
"""
