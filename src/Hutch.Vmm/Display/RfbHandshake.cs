using System;
using System.Buffers.Binary;
using System.IO;
using System.Security.Cryptography;
using System.Text;
using Hutch.Host.Files;

namespace Hutch.Vmm.Display;

/// <summary>
/// The first words of a connection (RFC 6143 §7.1 to §7.3): versions 3.3, 3.7 and 3.8; without a password, or with VNC's; in TLS by VeNCrypt, version 0.2, with the server's
/// certificate.
/// </summary>
/// <param name="name">What the client is to call the screen.</param>
/// <param name="password">Up to 8 bytes; null: none is asked for.</param>
/// <param name="tls">How connections are encrypted; null: they are not.</param>
internal sealed class RfbHandshake(string name, byte[]? password, VncTls? tls)
{
    private const byte NoSecurity = 1, VncSecurity = 2, VencryptSecurity = 19;
    private const int X509NoSecurity = 260, X509VncSecurity = 261;
    private const int ChallengeBytes = 16, VersionBytes = 12;

    /// <summary>Makes sure of the client. Null: it is welcome; otherwise why not, which it has been told.</summary>
    /// <param name="link">The connection; encrypted already where that came before RFB.</param>
    /// <param name="isLocked">Nobody is let in for now.</param>
    internal string? Greet(RfbLink link, bool isLocked)
    {
        RfbReader reader = link.Reader;
        RfbWriter writer = link.Writer;
        writer.Bytes("RFB 003.008\n"u8).Flush();
        int version = ReadVersion(reader);
        bool encrypts = tls is not null && !link.IsEncrypted;
        if (isLocked) return RefuseAll(writer, version, "Too many wrong passwords; try again in a while.");
        // Version 3.3 knows no types but the first two.
        if (encrypts && version < 7) return RefuseAll(writer, version, "This screen is served in TLS, which needs a viewer of version 3.7 or 3.8.");
        byte security = encrypts ? VencryptSecurity : password is null ? NoSecurity : VncSecurity;
        if (version < 7) writer.Long(security).Flush();
        else
        {
            writer.Byte(1).Byte(security).Flush();
            if (reader.Byte() != security) throw new InvalidDataException("a security type that was not offered");
        }
        if (encrypts) Encrypt(link, tls!);
        bool isWelcome = password is null || CheckPassword(reader, writer);
        // Version 3.8 alone has a result where nothing was asked, and a reason.
        if (password is not null || version >= 8) writer.Long(isWelcome ? 0 : 1).Flush();
        if (isWelcome) return null;
        if (version >= 8) return Refuse(writer, "The password is wrong.");
        return "The password is wrong.";
    }

    /// <summary>Tells the client of the screen. Returns whether it leaves other clients alone.</summary>
    internal bool Begin(RfbLink link, int width, int height)
    {
        bool isShared = link.Reader.Byte() != 0;
        byte[] text = Encoding.UTF8.GetBytes(name);
        link.Writer.Word(width).Word(height).Bytes(RfbPixelFormat.Native.Structure).Long(text.Length).Bytes(text).Flush();
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

    private static string RefuseAll(RfbWriter writer, int version, string reason)
    {
        if (version >= 7) writer.Byte(0);
        else writer.Long(0);
        return Refuse(writer, reason);
    }

    private static string Refuse(RfbWriter writer, string reason)
    {
        byte[] text = Encoding.UTF8.GetBytes(reason);
        writer.Long(text.Length).Bytes(text).Flush();
        return reason;
    }

    // VeNCrypt: versions, a list of one subtype, and then TLS.
    private void Encrypt(RfbLink link, VncTls tls)
    {
        RfbReader reader = link.Reader;
        RfbWriter writer = link.Writer;
        writer.Byte(0).Byte(2).Flush();
        bool isKnown = reader.Byte() == 0 & reader.Byte() == 2;
        writer.Byte(isKnown ? 0 : 255).Flush();
        if (!isKnown) throw new InvalidDataException("a version of VeNCrypt other than 0.2");
        int subtype = password is null ? X509NoSecurity : X509VncSecurity;
        writer.Byte(1).Long(subtype).Flush();
        bool isChosen = reader.Long() == subtype;
        writer.Byte(isChosen ? 1 : 0).Flush();
        if (!isChosen) throw new InvalidDataException("a security type that was not offered");
        link.Encrypt(tls, isBrowser: false);
    }

    private bool CheckPassword(RfbReader reader, RfbWriter writer)
    {
        byte[] challenge = new byte[ChallengeBytes];
        HostRandom.Fill(challenge);
        writer.Bytes(challenge).Flush();
        return CryptographicOperations.FixedTimeEquals(reader.Take(ChallengeBytes), Answer(challenge, password));
    }
}
