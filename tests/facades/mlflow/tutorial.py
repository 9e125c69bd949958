"""What tutorials of MLflow begin with: a run with parameters and metrics, a model, registered, put into production
and loaded by its stage. It names no server: that is one variable of its environment."""

import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

iris = load_iris(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(*iris, test_size=0.2, random_state=42)
params = {"solver": "lbfgs", "max_iter": 1000, "random_state": 8888}
model = LogisticRegression(**params).fit(x_train, y_train)

mlflow.set_experiment("MLflow Quickstart")
with mlflow.start_run() as run:
    mlflow.log_params(params)
    mlflow.log_metric("accuracy", accuracy_score(y_test, model.predict(x_test)))
    mlflow.set_tag("Training Info", "Basic LR model for iris data")
    mlflow.sklearn.log_model(
        model,
        artifact_path="model",
        signature=infer_signature(x_train, model.predict(x_train)),
        input_example=x_train[:2],
        pip_requirements=["scikit-learn"],
    )

version = mlflow.register_model(f"runs:/{run.info.run_id}/model", "iris-classifier")
client = MlflowClient()
client.transition_model_version_stage("iris-classifier", version.version, stage="Production")
loaded = mlflow.pyfunc.load_model("models:/iris-classifier/Production")
assert (loaded.predict(x_test) == model.predict(x_test)).all()
client.set_registered_model_alias("iris-classifier", "champion", version.version)
loaded = mlflow.pyfunc.load_model("models:/iris-classifier@champion")
assert (loaded.predict(x_test) == model.predict(x_test)).all()
newest = client.get_latest_versions("iris-classifier", stages=["Production"])[0]
print(mlflow.__version__, newest.current_stage)  # noqa: T201
