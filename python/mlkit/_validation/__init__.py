"""Where user input is judged and brought into canonical form.

``probabilities`` knows the accepted forms of scores as ``mlkit.labels`` knows those of labels, ``cells`` joins the two,
``params`` judges the small arguments, ``arrays`` and ``frames`` take containers apart. What comes out of here is
trusted by everything else in the package.
"""
