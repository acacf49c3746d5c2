"""The execution half: export a module, run, save and load what came out."""
