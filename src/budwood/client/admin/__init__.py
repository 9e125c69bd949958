"""Who may do what in a registry that several share: ``registry.admin``. The same over HTTP and in a folder.

registry.admin.namespaces.add("risk")
registry.admin.people.add("mara", email="mara@example.com")
registry.admin.grants.give("risk", "mara", "writer")
secret = registry.admin.tokens.make("laptop", person="mara").secret
"""

from budwood.client.admin.grants import Grants
from budwood.client.admin.groups import Groups
from budwood.client.admin.namespaces import Namespaces
from budwood.client.admin.people import People
from budwood.client.admin.tokens import Tokens
from budwood.client.admin.trusts import Trusts
from budwood.client.admin.webhooks import Webhooks
from budwood.client.place import Place


class Admin:
    """One member for each kind of thing. What you may do is decided where the registry is."""

    def __init__(self, place: Place) -> None:
        self.namespaces = Namespaces(place)
        self.people = People(place)
        self.groups = Groups(place)
        self.grants = Grants(place)
        self.tokens = Tokens(place)
        self.trusts = Trusts(place)
        self.webhooks = Webhooks(place)
