"""Plain values put into a message, as protobuf's own reading of JSON does it, in a third of the time.

That one looks at every field anew, and a control plane that starts writes a thousand tables of twenty routes. Here what
is to be done with a field is found once. Names are as in the ``.proto`` files; types of protobuf's own, such as
durations, are left to the library.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Put = Callable[[Any, Any], None]
"""Given a message and the value of one of its fields."""
KindOf = Callable[[str], type[Message]]
_OWN: Final = "google.protobuf."
_ANY: Final = "google.protobuf.Any"
_WRAPPERS: Final = frozenset(f"{_OWN}{each}Value" for each in ("Bool", "UInt32", "UInt64", "Double", "String"))


class Filler:
    """``kind_of`` gives the class of a message by its full name; ``pool`` is where it is from."""

    def __init__(self, kind_of: KindOf, pool: Callable[[], descriptor_pool.DescriptorPool]) -> None:
        self._kind_of = kind_of
        self._pool = pool
        self._puts = cache(self._puts_of)

    def fill(self, message: Any, plain: Mapping[str, Any]) -> None:
        """Raises ValueError for a field that there is not, or a value that does not fit."""
        puts = self._puts(message.DESCRIPTOR)
        for name, value in plain.items():
            put = puts.get(name)
            if put is None:
                raise ValueError(f"{message.DESCRIPTOR.full_name} has no field {name!r}")
            try:
                put(message, value)
            except (TypeError, KeyError, AttributeError, json_format.ParseError) as error:
                raise ValueError(f"{message.DESCRIPTOR.full_name}.{name}: {error}") from error

    def _puts_of(self, kind: Descriptor) -> dict[str, Put]:
        form = descriptor_pb2.DescriptorProto()
        kind.CopyToProto(form)
        many = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        repeated = {field.name for field in form.field if field.label == many}
        return {field.name: self._put_of(field, is_many=field.name in repeated) for field in kind.fields}

    def _put_of(self, field: FieldDescriptor, *, is_many: bool) -> Put:
        name = field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return self._put_map(name, field.message_type.fields_by_name["value"])
        if field.message_type is None:
            as_value = _as_value(field)
            if is_many:
                return lambda message, value: getattr(message, name).extend(map(as_value, value))
            return lambda message, value: setattr(message, name, as_value(value))
        put_into = self._fill_of(field.message_type)

        def put_many(message: Any, values: Any) -> None:
            several = getattr(message, name)
            for value in values:
                put_into(several.add(), value)

        def put(message: Any, value: Any) -> None:
            one = getattr(message, name)
            one.SetInParent()  # Empty says something else than absent.
            put_into(one, value)

        return put_many if is_many else put

    def _put_map(self, name: str, of: FieldDescriptor) -> Put:
        put_into = self._fill_of(of.message_type) if of.message_type is not None else None
        as_value = _as_value(of)

        def put(message: Any, values: Any) -> None:
            entries = getattr(message, name)
            for key, value in values.items():
                if put_into is None:
                    entries[key] = as_value(value)
                else:
                    put_into(entries[key], value)

        return put

    def _fill_of(self, kind: Descriptor) -> Put:
        if kind.full_name == _ANY:
            return self._pack
        if kind.full_name in _WRAPPERS:
            return lambda message, value: setattr(message, "value", value)
        return self._read if kind.full_name.startswith(_OWN) else self.fill

    def _read(self, message: Any, value: Any) -> None:
        """A type of protobuf's own."""
        json_format.ParseDict(value, message, descriptor_pool=self._pool())

    def _pack(self, message: Any, plain: Mapping[str, Any]) -> None:
        """A message of any type, which it names."""
        if not plain:
            return  # Of no type.
        url = plain["@type"]
        inner: Any = self._kind_of(url.rpartition("/")[2])()
        if inner.DESCRIPTOR.full_name.startswith(_OWN):
            self._read(message, plain)
            return
        self.fill(inner, {name: value for name, value in plain.items() if name != "@type"})
        message.type_url, message.value = url, inner.SerializeToString(deterministic=True)


def _as_value(field: FieldDescriptor) -> Callable[[Any], Any]:
    """A single value as the field takes it."""
    if field.enum_type is not None:
        numbers = {each.name: each.number for each in field.enum_type.values}
        return numbers.__getitem__
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b64decode
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value
