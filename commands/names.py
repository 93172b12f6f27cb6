"""Names that stand in a command line."""

#: Commands, each in the module of its name, and the first sentence of what it says of itself.
COMMANDS = {
    "train": "Train a circuit and draw what it has become.",
    "doctor": "Examine a circuit before it is trained, or a trained one.",
    "evaluate": "Present the test stimuli to a trained circuit and print every column of the history.",
    "record": "Record chosen cells through the phases of a presentation.",
    "perturb": "Perturb cells, synapses or plasticity, and report what changes against the control on the same seeds.",
    "compare": "Train rules on the same stimuli and seeds, and put them side by side in one table.",
    "sweep": "Train many runs that differ in some keys of a parameter file, on all cores or on a cluster.",
    "report": "Write a report of runs: one HTML file that holds all it shows.",
    "figures": "Draw a run's figures again, from what its folder holds, and embed the activity of each layer by t-SNE.",
    "describe": "Print the model description tables that journals ask for, made from the circuit itself.",
    "presets": "List the presets, or print one.",
    "cite": "Print what to cite, as BibTeX: the package, and of a run or preset its rule, Brian2 and its stimuli.",
}
#: Options that stand anywhere: `corinfomax train --debug` is what one types after an error.
ANYWHERE = ("--debug", "--quiet", "--json")

#: Exit code of what a signal has ended, as of shells.
INTERRUPTED = 130
