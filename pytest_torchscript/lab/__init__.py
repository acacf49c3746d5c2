"""What the checks of one model on one backend share: the subject, its export, the bench and the evidence. Knows no check."""
