"""Experiment trackers and hubs, each without its server: MLflow, W&B offline, Hugging Face Xet on a folder."""

from pathlib import Path

from benchmarks.peers.tool import Act, Tool


class Mlflow(Tool):
    """``log_artifacts`` into a local artifact folder: a plain copy, neither hashed nor synced."""

    name = "MLflow"
    package = "mlflow"

    def settings(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": (self.room / "tracking").as_uri(),
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        }

    @property
    def store(self) -> Path:
        return self.room / "artifacts"

    def set_up(self) -> None:
        """Nothing: the first push makes the store."""

    def push(self, number: int) -> Act:
        note = str(self._run_note(number))
        return self.act(self.inside("mlflow_push", str(self.model), self.store.as_uri(), note))

    def pull(self, number: int, into: Path) -> Act:
        return self.act(self.inside("mlflow_pull", str(self._run_note(number)), str(into)))

    def pulled(self, into: Path) -> Path:
        return into / "model"

    def _run_note(self, number: int) -> Path:
        return self.room / f"run-v{number}"


class Wandb(Tool):
    """``log_artifact`` in offline mode: the staging copy is all there is, and nothing can be pulled from it."""

    name = "W&B"
    package = "wandb"
    can_pull = False

    def settings(self) -> dict[str, str]:
        return {
            "WANDB_MODE": "offline",
            "WANDB_SILENT": "true",
            "WANDB_DIR": str(self.room),
            "WANDB_DATA_DIR": str(self.store),
            "WANDB_CACHE_DIR": str(self.room / "cache"),
            "WANDB_ERROR_REPORTING": "false",
        }

    @property
    def store(self) -> Path:
        return self.room / "staging"

    def set_up(self) -> None:
        self.store.mkdir()

    def push(self, number: int) -> Act:
        return self.act(self.inside("wandb_push", str(self.model)))

    def pull(self, number: int, into: Path) -> Act:
        raise NotImplementedError("an offline W&B artifact cannot be read back")


class Xet(Tool):
    """Hugging Face's chunk store, its content-addressed server replaced by a folder (``local://``)."""

    name = "Xet"
    package = "hf_xet"

    def settings(self) -> dict[str, str]:
        return {"HF_HOME": str(self.room / "hf"), "HF_XET_CACHE": str(self.room / "hf" / "xet")}

    @property
    def store(self) -> Path:
        return self.room / "cas"

    def set_up(self) -> None:
        """Nothing: the first push makes the store."""

    def push(self, number: int) -> Act:
        return self.act(self.inside("xet_push", str(self.model), f"local://{self.store}", str(self._note(number))))

    def pull(self, number: int, into: Path) -> Act:
        return self.act(self.inside("xet_pull", str(self._note(number)), f"local://{self.store}", str(into)))

    def _note(self, number: int) -> Path:
        return self.room / f"files-v{number}.json"
