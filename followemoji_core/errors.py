"""What can go wrong, by kind. Every message says what, where, what was got, what is allowed, and what to do."""


class FollowEmojiError(ValueError):
    """Root of the errors that a user can mend; its text is meant for the user as it stands."""


class NoFaceError(FollowEmojiError):
    """No face where one is needed: in the portrait, in a whole clip, or in frames that may not be missing."""


class MotionFileError(FollowEmojiError):
    """A motion file that is damaged, of another kind, or that asks for code to be run."""


class CheckpointError(FollowEmojiError):
    """A weights file that is damaged, belongs in another slot, or lacks parameters."""


class InputError(FollowEmojiError):
    """An image, clip, size or setting outside what the method takes."""


class MissingDependencyError(FollowEmojiError):
    """An optional package is not installed; the message gives the command that installs it."""


class OutputError(FollowEmojiError):
    """A file could not be written; what was written before is kept."""


class NotFiniteError(FollowEmojiError):
    """A network answered with NaN or infinity; the message names the precision to try."""


def check_range(name: str, value: float, allowed: tuple[float, float], advice: str = "") -> None:
    """Raises InputError unless the value is a number from allowed[0] to allowed[1], both included; of whole numbers
    where these are ints, so NaN and infinity never are. advice: a sentence that ends the message."""
    low, high = allowed
    whole = isinstance(low, int) and isinstance(high, int)
    if not low <= value <= high or (whole and value != int(value)):
        kind = "whole numbers from " if whole else ""
        raise InputError(f"{name} is {value}; allowed: {kind}{low} to {high}. {advice}".rstrip())
