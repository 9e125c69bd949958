"""Registered models and their versions as MLflow's messages."""

from budwood.domain.canon import Json
from budwood.domain.listing_checks import STAGE_WORDS
from budwood.facades.face import Asked
from budwood.facades.mlflow.shapes import located, pairs_shown
from budwood.facades.mlflow.values import filled
from budwood.verbs.listings.found import WholeModel, WholeVersion


def model_shown(asked: Asked, whole: WholeModel) -> Json:
    model = whole.model
    return {
        "name": model.title,
        "creation_timestamp": model.created_ms,
        "last_updated_timestamp": model.updated_ms,
        **filled(
            description=model.description,
            latest_versions=[version_shown(asked, each) for each in whole.newest],
            tags=pairs_shown(tuple(whole.tags.items())),
            aliases=[{"alias": each.pointer, "version": str(each.number)} for each in whole.aliases],
        ),
    }


def version_shown(asked: Asked, whole: WholeVersion) -> Json:
    version = whole.version
    return {
        "name": version.title,
        "version": str(version.number),
        "creation_timestamp": version.created_ms,
        "last_updated_timestamp": version.updated_ms,
        "current_stage": STAGE_WORDS[version.stage],
        "status": "READY",
        **filled(
            user_id=version.author,
            description=version.description,
            source=located(asked, version.origin.source) or f"models:/{version.title}/{version.number}",
            run_id=version.origin.run,
            run_link=version.origin.run_link,
            model_id=version.origin.logged,
            tags=pairs_shown(tuple(whole.tags.items())),
            aliases=list(whole.aliases),
        ),
    }
