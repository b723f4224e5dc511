#!/usr/bin/env python3
"""Fills in the SHA-256 and the CRC-32 at the end of a linked user part: seal.py LINKED.bin SEALED.bin"""
import hashlib
import struct
import sys
import zlib

source, target = sys.argv[1:]
image = bytearray(open(source, "rb").read())
start, end = struct.unpack_from("<II", image)
if end + 4 - start != len(image):
    sys.exit(f"{source}: module_info spans {end + 4 - start} bytes, the file has {len(image)}")
sha_at = len(image) - 38
image[sha_at : sha_at + 32] = hashlib.sha256(image[:sha_at]).digest()
image[-4:] = struct.pack(">I", zlib.crc32(image[:-4]))
open(target, "wb").write(image)
