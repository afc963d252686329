"""Sends what a phone has sent once more: replay.py MEDIA STRANGER PACKETS.

STRANGER is a host, MEDIA is host:port. Captures so many RTP packets to MEDIA on the loopback interface, then sends each of them again: with
the source that it had, and from STRANGER. Prints a line of JSON: how many were captured, and how many packets
STRANGER got until a second after the last. It reads packets of others and writes whole IP packets: run it as root.
"""

import json
import socket
import struct
import sys
import time

MEDIA, STRANGER, PACKETS = sys.argv[1:]
HOST, PORT = MEDIA.rsplit(":", 1)
ETHERTYPE_IP = 0x0800
# A call has a packet each 20 ms.
PATIENCE_S = 10
PACE_S = 0.002
QUIET_S = 1


def of_phone(packet):
    """The source address, its port and the payload of an RTP packet to media; None for all else."""
    header = (packet[0] & 15) * 4
    if packet[9] != socket.IPPROTO_UDP or packet[16:20] != socket.inet_aton(HOST):
        return None
    source, destination, length = struct.unpack_from("!HHH", packet, header)
    payload = packet[header + 8 : header + length]
    is_report = len(payload) > 1 and 72 <= payload[1] & 127 <= 76
    if destination != int(PORT) or len(payload) < 12 or payload[0] >> 6 != 2 or is_report:
        return None
    return packet[12:16], source, payload


def captured():
    packets = []
    until = time.monotonic() + PATIENCE_S
    # Of this protocol it gets what arrives, and not what leaves, too.
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETHERTYPE_IP)) as listening:
        listening.bind(("lo", ETHERTYPE_IP))
        listening.settimeout(1)
        while len(packets) < int(PACKETS):
            if time.monotonic() > until:
                sys.exit(f"{len(packets)} packets to {MEDIA} within {PATIENCE_S} s")
            try:
                found = of_phone(listening.recv(65536))
            except TimeoutError:
                continue
            if found:
                packets.append(found)
    return packets


def whole(host, source, payload):
    """An IP packet with the phone as its source. The kernel completes its length, its number and its checksum; UDP goes without one."""
    udp = struct.pack("!HHHH", source, int(PORT), 8 + len(payload), 0)
    addresses = host + socket.inet_aton(HOST)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp) + len(payload), 0, 0, 64, socket.IPPROTO_UDP, 0)
    return head + addresses + udp + payload


packets = captured()
forging = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
stranger.bind((STRANGER, 0))
for host, source, payload in packets:
    forging.sendto(whole(host, source, payload), (HOST, 0))
    stranger.sendto(payload, (HOST, int(PORT)))
    time.sleep(PACE_S)
heard = 0
until = time.monotonic() + QUIET_S
while (left := until - time.monotonic()) > 0:
    stranger.settimeout(left)
    try:
        stranger.recv(65536)
        heard += 1
    except TimeoutError:
        break
print(json.dumps({"captured": len(packets), "heard": heard}))
