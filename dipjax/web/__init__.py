"""A page in the browser: drop a picture on it, say what is wrong, watch it being restored.

    dipjax web

Needs `pip install "dipjax[web]"`. Nothing leaves the machine that it runs on, and what the page has
kept is deleted when it ends. It is for one person: pictures wait for each other, and `Stop` ends
the one that is fitted, whose it may be, with the result so far.
"""
