"""Blocks written once and never again: if one of these stops decoding, stored models are lost.

The bytes were made by the first encoder of each kind that was released. A change that breaks a vector needs a new tag.
"""

from typing import Final

import pytest

from budwood.store.encodings import decode_block
from budwood.store.encodings._planes import Way
from budwood.store.encodings.registry import (
    DELTA_PCO,
    DELTA_PLANES,
    DELTA_RANS,
    ENCODINGS,
    PCO,
    PLANES,
    RAW,
    SPLIT,
    ZSTD,
)

BASE: Final = b"".join((0x3C00 + (index * 37 & 0x1FF)).to_bytes(2, "little") for index in range(150))
RAW_BLOCK: Final = (
    b"".join(
        (int.from_bytes(BASE[at : at + 2], "little") + (at % 14 - 6 if at % 3 == 0 else 0)).to_bytes(2, "little")
        for at in range(0, 300, 2)
    )
    + b"\x7f"
)

VECTORS: Final = {
    "zstd": (
        1,
        (
            "28b52ffd602d00dd0700f6503b3a2087d70c7012e24d2eeff2d65d9c0c386476f3bbce78685a87947de53cc71ed01862e3f0"
            "0d9884164a422451c5a99a927429b0f3fc63180a1a562c002c002b00b02164e0ce25719cb9a1c3beb54eda36ca1a58e2b4d1"
            "c4970c2758f7d134cbc658c19e56165993c48b8f0801079c52c81845ac78c205963a6898410818e58f2ec6a4f8c1bc9fee99"
            "b6c712fe1460933759ec00706e9d550e36538419f182b3c67df38902752259a3cc0c17ee7db5d1b54b7edd2002ab2472c611"
            "03533db4cc215b28c13b03fd726c9710e409a58f3475e2df0376fa76cbb15d3a308039795c69f06ea6739ecdf1833eb75432"
            "064416020505050505ff19"
        ),
    ),
    "split, a raw plane and a frame": (
        2,
        (
            "020096000000023f000000f44a94de2872c8065096e42e80c20c4ea0ea387ec8065ca6f03a84da1862a8f64092d41e60b2fc"
            "4a90da186eb8024c96ec2a74ba0852a4e63072c40e5ca2ec2a80ca145ea8fe3c86cc1a64b6f84284d6206eb4fe3c92dc2670"
            "ba104e98de2c76c80a5496e83280c6104ea4ee3882cc2260aaf03e88da1c66a8fa4492d82260b6004a94de3472bc02509aec"
            "2e78ba0c56a4ea3472c81228b52ffd2096b5010062890c06f03929c95ff4f955ab24f955ab24ff6a55927fb52ac9bf5a25c9"
            "af5a25c9af5a25c9af5a25f957ab92fcab5549fed50a01007f"
        ),
    ),
    "planes": (
        3,
        (
            "020096000000034f000000fa254a6f94b9e403284b7297c0e1062750759cbfe4032e53789dc2ed0c31547ba0c9ea0f30597e"
            "a5c8ed0c375c81a6cbf6153a5d84a9d2f318396287aed1f61540658aafd4ff1e43668db2dbfc21426b90b7daff1e496e93b8"
            "dd08274c6f96bbe4052a4b7499c0e3082752779cc1e6113055789fc4ed0e33547da2c9ec11305b80a5caef1a395e81a8cdf6"
            "173c5d86abd2f51a3964891200000001960000003000000028b52ffd20134d000018ffff3f010008c00228b52ffd20963d01"
            "0062c90805f03932220155ffaaea5f55fdabaa7f55f55755ffaaea5f55fdabaa7f55f5afaa7e02007f"
        ),
    ),
    "four": (
        3,
        (
            "04004b000000021a000000004b0000000219000000fa4a94e42872c006509ce42e78c20c54a0ea307ec80c5ca6f63a84d218"
            "62aef6408ad41e66b2fc4290da1e6eb8084c96e42a74c008529ce63078c40e54a2ec3080ca1a5ea8f63c86d21a6428b52ffd"
            "204b8d0000483b3c3c3c3d3d3d3c3d0200e016f4142e256fb9034b97e12775bf03539ded317bc90f59a5ed3781cb155da9f3"
            "3987d11565afff438ddb216bb7ff4993dd276fbb054b99e32777c111559fed337dc9115ba5ef3981cd175dabf5398928b52f"
            "fd204b850000403c3c3c3d3d3d3d3c0200c0160415237f"
        ),
    ),
    "delta, frames": (
        4,
        (
            "020229000000021200000028b52ffd2096050100b80b00000000000c00000300000800000700000400000b0002001867822b"
            "680228b52ffd20964d00001000000100110a60017f"
        ),
    ),
    "delta, groups": (
        4,
        (
            "02049000000003160000001c000000040c0000001500000009000000120000000c000000150000000a0000001300000028b5"
            "2ffd20139900004192244892044992204912244982244990240928b52ffd200c6100000b07030b07030b070c030b0728b52f"
            "fd20094900000c04080c040804080428b52ffd200c610000030b07030b070c030b070c0b28b52ffd200a510000080c04080c"
            "0408040308110000000028b52ffd2013450000100000010033c0027f"
        ),
    ),
    "delta, 1": (
        4,
        (
            "02035d00000001010000001c000000012b0000003400000028b52ffd20139900004192244892044992204912244982244990"
            "240928b52ffd202b5901000b0c030807040b0c030807040b0c030807040b0c030807040b0c030807040b0c030807040b0c03"
            "0807040b007f"
        ),
    ),
    "pco": (
        5,
        (
            "02c800000070636f2103008725040107950000002700e0ebef24c17c0f019cf4f20e0aa736005640a9a3e997ba842ea3e2ed"
            "6cfc3c831656f6882aa62e21cdac7e47239f2fe1869640a69ec1ab68f32be1d5cee74be821e610ab68fc36021dabf83576f0"
            "f0034d235ad7f86d34ba16726ded4c22099b49b8c2093c8934aee5dee099c4133a997c8d73d8526a5dcec1d52f801145cf27"
            "63e91cb6c4da57f471f6176c6cf1534ad93c8a39b50e46fd5cfe051b610cad82560fe44fb2875d4f9f0e42c6308a856d1fc8"
            "9f6a1f03007f"
        ),
    ),
    "delta pco": (
        6,
        (
            "024300000070636f2103008725040107950000004700d0020080c50040581c0004c602400018c634089dd7505c988f2686b4"
            "38eea4ff5d311e9d77fc6b57db3e8f505555555515007f"
        ),
    ),
    "delta rans, 2 bytes, shift 7": (
        7,
        (
            "02077b0300000000240000001600000000000000018b6b000280bf80bf000280bf80bf000280da80bf020202020202020202"
            "020202020202fdce00003fca1e0d0c50cb0c60c80000d4b21a0d1542120deb8f0000e0b59d0982a7e062b193b98905709db2"
            "7fed8621e65fd5a6290c7f"
        ),
    ),
    "delta rans, 2 bytes, shift 10": (
        7,
        (
            "020a0f0300000000240000001600000000000000018b6b000280bf80bf000280bf80bf000280da80bf020202020202020202"
            "020202020202fdce00003fca1e0d0c50cb0c60c80000d4b21a0d1542120deb8f0000e0b59d0982a7e062b193b98905709db2"
            "7fed8621e65fd5a6290c7f"
        ),
    ),
    "delta rans, 1 bytes, shift 3": (
        7,
        (
            "01030f0300000000220000002000000001000000018d9c0e00015f5f00025f5f00026d5f00760e0202020202020202020202"
            "02020202708f0100a0dd00003371320bc017db00674189019c5cba00d46601009c5cba000c799c5ce590e7488ea7048336b9"
            "fb4b4923fac22be71e994594ba552b5cdf191e"
        ),
    ),
    "delta rans, 4 bytes, shift 23": (
        7,
        (
            "04177b030000000034000000100000002b0000000186d6000280a480da000280a480da000280da80da009e80da80a4000280"
            "da80a480da80a402020202020202020202020202020261ea3a43d22353069dc5f15a004bd702e41ba2036e550328f8284200"
            "b69dd826e0b5f6e65c95d808c6fc48d2a28acc8affffffffffff000000000000fcffffffffff030000000000f0ffffffffff"
            "0f0000000000c0ffffffffff3f7f"
        ),
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_block_written_by_the_first_release_decodes(name: str) -> None:
    tag, written = VECTORS[name]
    target = bytearray(len(RAW_BLOCK))
    decode_block(tag, memoryview(bytes.fromhex(written)), base=memoryview(BASE), target=memoryview(target))
    assert target == RAW_BLOCK


def test_every_encoding_has_a_vector() -> None:
    assert {tag for tag, _ in VECTORS.values()} | {RAW} == set(ENCODINGS)


def test_tags_and_ways_keep_their_numbers() -> None:
    assert [RAW, ZSTD, SPLIT, PLANES, DELTA_PLANES, PCO, DELTA_PCO, DELTA_RANS] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert (Way.RAW, Way.FILL, Way.FRAME, Way.SPARSE, Way.GROUPED) == (0, 1, 2, 3, 4)
