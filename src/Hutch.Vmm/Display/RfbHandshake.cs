using System;
using System.Buffers.Binary;
using System.IO;
using System.Security.Cryptography;
using System.Text;
using Hutch.Host.Files;

namespace Hutch.Vmm.Display;

/// <summary>The first words of a connection (RFC 6143 §7.1 to §7.3): versions 3.3, 3.7 and 3.8; without a password, or with VNC's.</summary>
/// <param name="name">What the client is to call the screen.</param>
/// <param name="password">Up to 8 bytes; null: none is asked for.</param>
internal sealed class RfbHandshake(string name, byte[]? password)
{
    private const byte NoSecurity = 1, VncSecurity = 2;
    private const int ChallengeBytes = 16, VersionBytes = 12;

    /// <summary>Makes sure of the client. Null: it is welcome; otherwise why not, which it has been told.</summary>
    /// <param name="reader">What the client says.</param>
    /// <param name="writer">What it is told.</param>
    /// <param name="isLocked">Nobody is let in for now.</param>
    internal string? Greet(RfbReader reader, RfbWriter writer, bool isLocked)
    {
        writer.Bytes("RFB 003.008\n"u8).Flush();
        int version = ReadVersion(reader);
        byte security = password is null ? NoSecurity : VncSecurity;
        if (isLocked)
        {
            if (version >= 7) writer.Byte(0);
            else writer.Long(0);
            return Refuse(writer, "Too many wrong passwords; try again in a while.");
        }
        if (version < 7) writer.Long(security).Flush();
        else
        {
            writer.Byte(1).Byte(security).Flush();
            if (reader.Byte() != security) throw new InvalidDataException("a security type that was not offered");
        }
        bool isWelcome = password is null || CheckPassword(reader, writer);
        // Version 3.8 alone has a result where nothing was asked, and a reason.
        if (password is not null || version >= 8) writer.Long(isWelcome ? 0 : 1).Flush();
        if (isWelcome) return null;
        if (version >= 8) return Refuse(writer, "The password is wrong.");
        return "The password is wrong.";
    }

    /// <summary>Tells the client of the screen. Returns whether it leaves other clients alone.</summary>
    internal bool Begin(RfbReader reader, RfbWriter writer, int width, int height)
    {
        bool isShared = reader.Byte() != 0;
        byte[] text = Encoding.UTF8.GetBytes(name);
        writer.Word(width).Word(height).Bytes(RfbPixelFormat.Native.Structure).Long(text.Length).Bytes(text).Flush();
        return isShared;
    }

    /// <summary>What a client must answer to a challenge: DES with the password as key, each of its bytes with the bits turned round (§7.2.2).</summary>
    internal static byte[] Answer(ReadOnlySpan<byte> challenge, ReadOnlySpan<byte> password)
    {
        ulong key = 0;
        for (int i = 0; i < Des.BlockBytes; i++)
        {
            int letter = i < password.Length ? password[i] : 0, turned = 0;
            for (int bit = 0; bit < 8; bit++) turned |= (letter >> bit & 1) << (7 - bit);
            key = key << 8 | (uint)turned;
        }
        Span<ulong> blocks = [BinaryPrimitives.ReadUInt64BigEndian(challenge), BinaryPrimitives.ReadUInt64BigEndian(challenge[Des.BlockBytes..])];
        Des.Encrypt(key, blocks, blocks);
        byte[] answer = new byte[ChallengeBytes];
        BinaryPrimitives.WriteUInt64BigEndian(answer, blocks[0]);
        BinaryPrimitives.WriteUInt64BigEndian(answer.AsSpan(Des.BlockBytes), blocks[1]);
        return answer;
    }

    private static int ReadVersion(RfbReader reader)
    {
        ReadOnlySpan<byte> text = reader.Take(VersionBytes);
        if (!text.StartsWith("RFB 003."u8)) throw new InvalidDataException("no greeting of this protocol");
        // Anything but 3.7 and 3.8 is to be taken for 3.3 (§7.1.1).
        return text[10] switch { (byte)'8' => 8, (byte)'7' => 7, (byte)'9' => 8, _ => 3 };
    }

    private static string Refuse(RfbWriter writer, string reason)
    {
        byte[] text = Encoding.UTF8.GetBytes(reason);
        writer.Long(text.Length).Bytes(text).Flush();
        return reason;
    }

    private bool CheckPassword(RfbReader reader, RfbWriter writer)
    {
        byte[] challenge = new byte[ChallengeBytes];
        HostRandom.Fill(challenge);
        writer.Bytes(challenge).Flush();
        return CryptographicOperations.FixedTimeEquals(reader.Take(ChallengeBytes), Answer(challenge, password));
    }
}
