"""Train two classifiers of handwritten digits, keep both, release the better one, and take it back.

    pip install budwood scikit-learn skops
    python train_sklearn.py

Everything is kept in ./registry; look around in it afterwards:

    budwood --registry ./registry log digits
"""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from skops.io import load

import budwood

digits = load_digits()
train_images, test_images, train_answers, test_answers = train_test_split(
    digits.data, digits.target, test_size=0.25, random_state=7
)


def evaluate(classifier: DecisionTreeClassifier | RandomForestClassifier) -> dict[str, float]:
    """How good it is on images it has not seen."""
    answers = classifier.predict(test_images)
    return {
        "accuracy": float(accuracy_score(test_answers, answers)),
        "f1": float(f1_score(test_answers, answers, average="macro")),
    }


def main() -> None:
    """Push, push better, compare, roll back, pull."""
    registry = budwood.connect("./registry")

    # A first model. push takes the object itself and writes it in skops' format, which holds no pickle.
    # The commit, the packages and the machine are captured; metrics and parameters are yours to say.
    tree = DecisionTreeClassifier(random_state=7).fit(train_images, train_answers)
    first = registry.push(
        tree,
        "digits",
        label="1.0.0",
        aliases=["champion"],
        datasets=["sklearn.datasets.load_digits"],
        metrics=evaluate(tree),
        params={"random_state": "7"},
        message="One decision tree",
    ).version
    print(f"pushed {first.reference}, accuracy {evaluate(tree)['accuracy']:.3f}")

    # A better one. --bump minor: same inputs and outputs, trained anew.
    forest = RandomForestClassifier(n_estimators=60, random_state=7).fit(train_images, train_answers)
    second = registry.push(
        forest,
        "digits",
        bump="minor",
        parents=["digits@1.0.0"],
        datasets=["sklearn.datasets.load_digits"],
        metrics=evaluate(forest),
        params={"random_state": "7", "n_estimators": "60"},
        message="A forest of sixty trees",
    ).version
    print(f"pushed {second.reference}, accuracy {evaluate(forest)['accuracy']:.3f}")

    # What changed, in words.
    print(registry.diff("digits@champion", second.reference).summary)

    # Release it: the alias moves, and remembers where it pointed before.
    registry.alias(second.reference, "champion")
    registry.stage(second.reference, "production")
    print("champion is", registry.get("digits@champion").reference)

    # Something is wrong in production? One call takes the champion back.
    registry.roll_back("digits", "champion")
    print("champion is", registry.get("digits@champion").reference)

    # Any version comes back bit for bit, as the file its own library reads. skops loads only the types you
    # name; get_untrusted_types() lists what a file asks for beyond its safe ones.
    registry.pull("digits@1.1.0", "./pulled")
    pulled = load("./pulled/model.skops", trusted=["sklearn.tree._tree.Tree"])
    assert (pulled.predict(test_images) == forest.predict(test_images)).all()
    print("pulled digits@1.1.0 and got the same predictions")


if __name__ == "__main__":
    main()
