using System;
using System.Buffers.Binary;

namespace Hutch.Devices.Tpm;

/// <summary>The header that commands and responses begin with: a tag, the length of the whole, a code (TPM 2.0 Part 1 §18). All big-endian.</summary>
internal static class TpmMessage
{
    /// <summary>Length of the header.</summary>
    internal const int HeaderBytes = 10;

    /// <summary>The most bytes of a command or a response.</summary>
    internal const int MostBytes = TpmCrb.BufferBytes;

    /// <summary>TPM_ST_NO_SESSIONS (TPM 2.0 Part 2 §6.9): the tag of a response that says only what went wrong. A TPM 1.2 has another.</summary>
    internal const ushort NoSessions = 0x8001;

    /// <summary>TPM_RC_FAILURE and TPM_RC_COMMAND_SIZE (TPM 2.0 Part 2 §6.6).</summary>
    internal const uint Failure = 0x101, CommandSize = 0x142;

    private const int LengthOffset = 2, CodeOffset = 6;

    /// <summary>The length that a header says.</summary>
    internal static uint LengthOf(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt32BigEndian(message[LengthOffset..]);

    /// <summary>Whether a command can be as long as its header says.</summary>
    internal static bool IsLength(uint length) => length is >= HeaderBytes and <= MostBytes;

    /// <summary>Writes a response that is a code alone, and returns its length.</summary>
    internal static int WriteError(Span<byte> response, uint code)
    {
        BinaryPrimitives.WriteUInt16BigEndian(response, NoSessions);
        BinaryPrimitives.WriteUInt32BigEndian(response[LengthOffset..], HeaderBytes);
        BinaryPrimitives.WriteUInt32BigEndian(response[CodeOffset..], code);
        return HeaderBytes;
    }
}
