"""What went wrong, for a person: one sentence, one hint, one exit code."""


class Problem(Exception):
    """Something a person has to know: `message` says what is wrong, `hint` what to do about it.

    `exit_code` is the process's: 1 where something failed, 2 for wrong usage, 3 where a partner said no.
    """

    def __init__(self, message: str, hint: str = "", *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
