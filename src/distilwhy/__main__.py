"""``python -m distilwhy``, and what ``torchrun -m distilwhy train EXP.yaml`` runs."""

from distilwhy.cli.app import main

if __name__ == "__main__":
    main()
