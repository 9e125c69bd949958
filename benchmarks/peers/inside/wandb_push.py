"""wandb_push.py MODEL: log a folder as an artifact."""

import sys

import wandb  # type: ignore[import-not-found]  # lives in the peers' environment only

run = wandb.init(project="bench")
artifact = wandb.Artifact("encoder", type="model")
artifact.add_dir(sys.argv[1])
run.log_artifact(artifact)
run.finish()
