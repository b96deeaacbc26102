"""What all simulations share: how many trials they take."""


def check_trials(trials: int) -> None:
    """Refuse fewer trials than one."""
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
