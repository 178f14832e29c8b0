"""What is wrong with a configuration file, in words a person can act on."""

from pathlib import Path


class ConfigError(Exception):
    """A configuration file cannot be used: which file, which line where known, which setting, and one sentence."""

    def __init__(self, file: Path, sentence: str, *, key: str | None = None, line: int | None = None) -> None:
        place = str(file) if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {key}: {sentence}" if key else f"{place}: {sentence}")
        self.file = file
        self.line = line
        self.key = key
        self.sentence = sentence
