using System;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using Hutch.Block.Nbd;
using Xunit;

namespace Hutch.Block.Tests.Nbd;

/// <summary>A sample of what the fuzzer does: conversations that make sense, with bytes changed, cut and repeated. Nothing may be thrown, nothing may hang.</summary>
public sealed class NbdFuzzTests
{
    private const int Rounds = 3000;

    [Fact]
    public async Task A_server_survives_what_clients_send()
    {
        Random random = new(20);
        byte[] seed = ClientSeed();
        await NbdFuzz.ServerAsync(seed);
        for (int i = 0; i < Rounds; i++) await NbdFuzz.ServerAsync(Mutate(seed, random));
    }

    [Fact]
    public async Task A_client_survives_what_servers_say_in_the_handshake()
    {
        Random random = new(21);
        byte[] seed = ServerSeed();
        await NbdFuzz.HandshakeAsync(seed);
        for (int i = 0; i < Rounds; i++) await NbdFuzz.HandshakeAsync(Mutate(seed, random));
    }

    [Fact]
    public async Task A_client_survives_what_servers_answer()
    {
        Random random = new(22);
        byte[] seed = RepliesSeed();
        await NbdFuzz.RepliesAsync(seed);
        for (int i = 0; i < Rounds; i++) await NbdFuzz.RepliesAsync(Mutate(seed, random));
    }

    [Fact]
    public void Names_survive()
    {
        Random random = new(23);
        byte[] seed = Encoding.UTF8.GetBytes("nbd+unix:///export%20a?socket=/run/s:exportname=[::1]:77");
        for (int i = 0; i < Rounds; i++) NbdFuzz.Address(Encoding.UTF8.GetString(Mutate(seed, random)));
    }

    private static byte[] Mutate(byte[] seed, Random random)
    {
        byte[] bytes = (byte[])seed.Clone();
        for (int changes = random.Next(1, 8); changes > 0; changes--)
        {
            int at = random.Next(bytes.Length);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.AsSpan(at, Math.Min(4, bytes.Length - at)).Fill((byte)(random.Next(2) * 255));
                    break;
                case 3:
                    if (at > 0) bytes = bytes[..at];
                    break;
                default:
                    int length = random.Next(1, Math.Min(40, bytes.Length - at) + 1);
                    bytes = [.. bytes[..at], .. bytes[at..(at + length)], .. bytes[at..]];
                    break;
            }
        }
        return bytes;
    }

    private static byte[] ClientSeed()
    {
        using MemoryStream talk = new();
        NbdText.Put32(talk, NbdProtocol.FixedNewstyle | NbdProtocol.NoZeroes);
        Option(talk, NbdOption.List, static _ => { });
        Option(talk, NbdOption.StructuredReply, static _ => { });
        Option(talk, NbdOption.SetMetaContext, static data =>
        {
            NbdText.PutText(data, "");
            NbdText.Put32(data, 2);
            NbdText.PutText(data, NbdProtocol.BaseAllocation);
            NbdText.PutText(data, NbdProtocol.AllocationDepth);
        });
        Option(talk, NbdOption.Info, static data =>
        {
            NbdText.PutText(data, "read");
            NbdText.Put16(data, 2);
            NbdText.Put16(data, (ushort)NbdInfo.Description);
            NbdText.Put16(data, (ushort)NbdInfo.Name);
        });
        Option(talk, NbdOption.Go, static data =>
        {
            NbdText.PutText(data, "");
            NbdText.Put16(data, 0);
        });
        Request(talk, NbdCommand.Read, 0, 65536);
        Request(talk, NbdCommand.Write, 4096, 512);
        talk.Write(new byte[512]);
        Request(talk, NbdCommand.BlockStatus, 0, 1 << 20);
        Request(talk, NbdCommand.WriteZeroes, 0, 1 << 19);
        Request(talk, NbdCommand.Trim, 0, 4096);
        Request(talk, NbdCommand.Flush, 0, 0);
        Request(talk, NbdCommand.Disconnect, 0, 0);
        return talk.ToArray();
    }

    private static byte[] ServerSeed()
    {
        using MemoryStream talk = new();
        NbdText.Put64(talk, NbdProtocol.ServerMagic);
        NbdText.Put64(talk, NbdProtocol.OptionMagic);
        NbdText.Put16(talk, NbdProtocol.FixedNewstyle | NbdProtocol.NoZeroes);
        Reply(talk, NbdOption.StructuredReply, NbdReply.Ack, static _ => { });
        Reply(talk, NbdOption.SetMetaContext, NbdReply.MetaContext, static data =>
        {
            NbdText.Put32(data, 5);
            data.Write(Encoding.UTF8.GetBytes(NbdProtocol.BaseAllocation));
        });
        Reply(talk, NbdOption.SetMetaContext, NbdReply.Ack, static _ => { });
        Reply(talk, NbdOption.Go, NbdReply.Info, static data =>
        {
            NbdText.Put16(data, (ushort)NbdInfo.BlockSize);
            NbdText.Put32(data, 512);
            NbdText.Put32(data, 4096);
            NbdText.Put32(data, 1 << 20);
        });
        Reply(talk, NbdOption.Go, NbdReply.Info, static data =>
        {
            NbdText.Put16(data, (ushort)NbdInfo.Export);
            NbdText.Put64(data, 1 << 20);
            NbdText.Put16(data, 0x7f);
        });
        Reply(talk, NbdOption.Go, NbdReply.Ack, static _ => { });
        return talk.ToArray();
    }

    private static byte[] RepliesSeed()
    {
        using MemoryStream talk = new();
        Chunk(talk, 0x201, NbdChunk.BlockStatus, 12, last: true);
        NbdText.Put32(talk, 0);
        NbdText.Put32(talk, 1 << 20);
        NbdText.Put32(talk, 3);
        Chunk(talk, 0x100, NbdChunk.OffsetData, 8 + 1024, last: false);
        NbdText.Put64(talk, 4096);
        talk.Write(new byte[1024]);
        Chunk(talk, 0x100, NbdChunk.OffsetHole, 12, last: false);
        NbdText.Put64(talk, 5120);
        NbdText.Put32(talk, 3072);
        Chunk(talk, 0x100, NbdChunk.ErrorOffset, 6 + 3 + 8, last: true);
        NbdText.Put32(talk, 5);
        NbdText.Put16(talk, 3);
        talk.Write("bad"u8);
        NbdText.Put64(talk, 4096);
        // A length that makes the entry expect structured replies.
        if (talk.Length % 4 == 0) talk.WriteByte(0);
        return talk.ToArray();
    }

    private static void Option(MemoryStream talk, NbdOption option, Action<MemoryStream> fill)
    {
        using MemoryStream data = new();
        fill(data);
        NbdText.Put64(talk, NbdProtocol.OptionMagic);
        NbdText.Put32(talk, (uint)option);
        NbdText.Put32(talk, (uint)data.Length);
        talk.Write(data.ToArray());
    }

    private static void Reply(MemoryStream talk, NbdOption option, NbdReply reply, Action<MemoryStream> fill)
    {
        using MemoryStream data = new();
        fill(data);
        NbdText.Put64(talk, NbdProtocol.OptionReplyMagic);
        NbdText.Put32(talk, (uint)option);
        NbdText.Put32(talk, (uint)reply);
        NbdText.Put32(talk, (uint)data.Length);
        talk.Write(data.ToArray());
    }

    private static void Request(MemoryStream talk, NbdCommand command, ulong offset, uint length)
    {
        NbdText.Put32(talk, NbdProtocol.RequestMagic);
        NbdText.Put16(talk, 0);
        NbdText.Put16(talk, (ushort)command);
        NbdText.Put64(talk, (ulong)talk.Length);
        NbdText.Put64(talk, offset);
        NbdText.Put32(talk, length);
    }

    private static void Chunk(MemoryStream talk, ulong cookie, NbdChunk chunk, uint length, bool last)
    {
        NbdText.Put32(talk, NbdProtocol.StructuredReplyMagic);
        NbdText.Put16(talk, last ? NbdProtocol.ChunkDone : (ushort)0);
        NbdText.Put16(talk, (ushort)chunk);
        NbdText.Put64(talk, cookie);
        NbdText.Put32(talk, length);
    }
}
