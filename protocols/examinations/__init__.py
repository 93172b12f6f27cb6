"""Examinations: what the doctor measures of a learner before it is trained, one function for each question.

An examination is a function of `Examined` that gives findings. Those of circuits in general are in `settling` and
`nudging`; a model of the registry names further ones.
"""
