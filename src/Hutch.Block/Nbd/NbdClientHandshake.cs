using System;
using System.Buffers.Binary;
using System.IO;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Nbd;

/// <summary>
/// The client's half of the fixed newstyle handshake: flags, TLS, structured replies, a meta context, then GO, or the export by its name where a server knows no
/// GO. Nothing the server says is trusted: lengths are capped, and so is the number of answers.
/// </summary>
internal sealed class NbdClientHandshake
{
    private const int LongestReplyBytes = 64 * 1024, MostReplies = 1024;

    private readonly NbdClientOptions _options;
    private Stream _stream;
    private bool _structured;
    private uint? _context;
    private NbdExportInfo _info = new();

    private NbdClientHandshake(Stream stream, NbdClientOptions options) => (_stream, _options) = (stream, options);

    /// <summary>Comes to terms with a server. The stream that is returned, over TLS perhaps, is ready for requests. Throws <see cref="NbdException"/> or <see cref="IOException"/>.</summary>
    internal static async ValueTask<(Stream Stream, NbdExportInfo Info)> RunAsync(Stream stream, NbdClientOptions options, CancellationToken cancellation)
    {
        NbdClientHandshake handshake = new(stream, options);
        await handshake.RunAsync(cancellation).ConfigureAwait(false);
        return (handshake._stream, handshake._info);
    }

    private async ValueTask RunAsync(CancellationToken cancellation)
    {
        byte[] greeting = await NbdText.ReadBytesAsync(_stream, 18, cancellation).ConfigureAwait(false);
        if (BinaryPrimitives.ReadUInt64BigEndian(greeting) != NbdProtocol.ServerMagic) throw new NbdException("Bad initial magic received");
        ulong magic = BinaryPrimitives.ReadUInt64BigEndian(greeting.AsSpan(8));
        if (magic == NbdProtocol.OldstyleMagic) throw new NbdException("The server speaks only the oldstyle handshake, which has neither names nor TLS");
        if (magic != NbdProtocol.OptionMagic) throw new NbdException($"Bad server magic received: {NbdText.Hex(magic)}");
        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(greeting.AsSpan(16));
        if ((flags & NbdProtocol.FixedNewstyle) == 0) throw new NbdException("Server does not support fixed newstyle negotiation");
        bool noZeroes = (flags & NbdProtocol.NoZeroes) != 0;
        byte[] ours = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(ours, (uint)(NbdProtocol.FixedNewstyle | (noZeroes ? NbdProtocol.NoZeroes : 0)));
        await _stream.WriteAsync(ours, cancellation).ConfigureAwait(false);
        if (_options.Tls is not null) await StartTlsAsync(_options.Tls, cancellation).ConfigureAwait(false);
        await SendOptionAsync(NbdOption.StructuredReply, [], cancellation).ConfigureAwait(false);
        (NbdReply structured, byte[] _) = await ReadReplyAsync(NbdOption.StructuredReply, cancellation).ConfigureAwait(false);
        RefuseTlsRequired(structured);
        _structured = structured == NbdReply.Ack;
        if (_structured) await SelectContextAsync(cancellation).ConfigureAwait(false);
        if (!await GoAsync(cancellation).ConfigureAwait(false)) await SelectByNameAsync(noZeroes, cancellation).ConfigureAwait(false);
        Check();
    }

    private async ValueTask StartTlsAsync(NbdTls tls, CancellationToken cancellation)
    {
        await SendOptionAsync(NbdOption.StartTls, [], cancellation).ConfigureAwait(false);
        (NbdReply reply, byte[] data) = await ReadReplyAsync(NbdOption.StartTls, cancellation).ConfigureAwait(false);
        if (reply != NbdReply.Ack) throw new NbdException($"Server does not support STARTTLS{Said(data)}");
        _stream = await tls.AuthenticateClientAsync(_stream, _options.Address.Host, cancellation).ConfigureAwait(false);
    }

    private async ValueTask SelectContextAsync(CancellationToken cancellation)
    {
        string wanted = _options.Context ?? NbdProtocol.BaseAllocation;
        using MemoryStream message = new();
        NbdText.PutText(message, _options.Address.Export);
        NbdText.Put32(message, 1);
        NbdText.PutText(message, wanted);
        await SendOptionAsync(NbdOption.SetMetaContext, message.ToArray(), cancellation).ConfigureAwait(false);
        for (int i = 0; i < MostReplies; i++)
        {
            (NbdReply reply, byte[] data) = await ReadReplyAsync(NbdOption.SetMetaContext, cancellation).ConfigureAwait(false);
            if (reply != NbdReply.MetaContext)
            {
                // An error says that there are no contexts, which is no reason not to use the export.
                if (_context is null && _options.Context is not null) throw new NbdException($"Server does not support meta context '{_options.Context}'");
                return;
            }
            if (data.Length >= 4 && NbdText.Decode(data.AsSpan(4)) == wanted) _context = BinaryPrimitives.ReadUInt32BigEndian(data);
        }
        throw new NbdException("The server sends meta contexts without end");
    }

    // False where the server does not know the option.
    private async ValueTask<bool> GoAsync(CancellationToken cancellation)
    {
        using MemoryStream message = new();
        NbdText.PutText(message, _options.Address.Export);
        NbdText.Put16(message, 1);
        NbdText.Put16(message, (ushort)NbdInfo.BlockSize);
        await SendOptionAsync(NbdOption.Go, message.ToArray(), cancellation).ConfigureAwait(false);
        bool known = false;
        for (int i = 0; i < MostReplies; i++)
        {
            (NbdReply reply, byte[] data) = await ReadReplyAsync(NbdOption.Go, cancellation).ConfigureAwait(false);
            switch (reply)
            {
                case NbdReply.Ack when known:
                    return true;
                case NbdReply.Ack:
                    throw new NbdException("broken server omitted NBD_INFO_EXPORT");
                case NbdReply.Info:
                    known |= TakeInfo(data);
                    break;
                case NbdReply.ErrorUnsupported:
                    return false;
                case NbdReply.ErrorUnknown:
                    throw new NbdException($"Requested export not available{Said(data)}");
                default:
                    RefuseTlsRequired(reply);
                    throw new NbdException($"Server refused the export '{_options.Address.Export}' (reply {NbdText.Hex((uint)reply)}){Said(data)}");
            }
        }
        throw new NbdException("The server sends information without end");
    }

    private bool TakeInfo(byte[] data)
    {
        if (data.Length < 2) throw new NbdException("invalid length for NBD_INFO");
        switch ((NbdInfo)BinaryPrimitives.ReadUInt16BigEndian(data))
        {
            case NbdInfo.Export when data.Length == 12:
                TakeExport(BinaryPrimitives.ReadUInt64BigEndian(data.AsSpan(2)), BinaryPrimitives.ReadUInt16BigEndian(data.AsSpan(10)));
                return true;
            case NbdInfo.Export:
                throw new NbdException("invalid length for NBD_INFO_EXPORT");
            case NbdInfo.BlockSize when data.Length == 14:
                uint least = BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(2)), preferred = BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(6));
                uint most = BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(10));
                if (!uint.IsPow2(least) || least > 65536) throw new NbdException($"server minimum block size {NbdText.Hex(least)} is not a power of two up to 64 KiB");
                if (!uint.IsPow2(preferred) || preferred < least) throw new NbdException($"server preferred block size {NbdText.Hex(preferred)} is no power of two");
                if (most < least || most % least != 0) throw new NbdException($"server maximum block size {NbdText.Hex(most)} is not valid");
                _info = _info with { MinimumBlockBytes = (int)least, PreferredBlockBytes = (int)Math.Min(preferred, 1 << 30), MaximumBlockBytes = (int)Math.Min(most, NbdProtocol.LargestPayload) };
                return false;
            default:
                return false;
        }
    }

    private async ValueTask SelectByNameAsync(bool noZeroes, CancellationToken cancellation)
    {
        await SendOptionAsync(NbdOption.ExportName, System.Text.Encoding.UTF8.GetBytes(_options.Address.Export), cancellation).ConfigureAwait(false);
        byte[] answer;
        try
        {
            answer = await NbdText.ReadBytesAsync(_stream, noZeroes ? 10 : 134, cancellation).ConfigureAwait(false);
        }
        catch (EndOfStreamException e)
        {
            // All that a server can do about a name that it does not know.
            throw new NbdException($"Requested export not available: '{_options.Address.Export}'", e);
        }
        TakeExport(BinaryPrimitives.ReadUInt64BigEndian(answer), BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(8)));
    }

    private void TakeExport(ulong length, ushort flags)
    {
        if (length > long.MaxValue) throw new NbdException("export length is too large");
        if ((flags & (ushort)NbdExportFlags.HasFlags) == 0) throw new NbdException("The server does not say what the export can");
        _info = _info with { LengthBytes = (long)length, Flags = (NbdExportFlags)flags };
    }

    private void Check()
    {
        if (_info.LengthBytes % _info.MinimumBlockBytes != 0) throw new NbdException($"export length {NbdText.Hex((ulong)_info.LengthBytes)} is not multiple of minimum block size");
        _info = _info with { HasStructuredReplies = _structured, ContextId = _context };
    }

    private async ValueTask SendOptionAsync(NbdOption option, byte[] data, CancellationToken cancellation)
    {
        byte[] message = new byte[16 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(message, NbdProtocol.OptionMagic);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(8), (uint)option);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(12), (uint)data.Length);
        data.CopyTo(message, 16);
        await _stream.WriteAsync(message, cancellation).ConfigureAwait(false);
    }

    private async ValueTask<(NbdReply Reply, byte[] Data)> ReadReplyAsync(NbdOption option, CancellationToken cancellation)
    {
        byte[] header = await NbdText.ReadBytesAsync(_stream, 20, cancellation).ConfigureAwait(false);
        if (BinaryPrimitives.ReadUInt64BigEndian(header) != NbdProtocol.OptionReplyMagic) throw new NbdException("Unexpected option reply magic");
        if (BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8)) != (uint)option) throw new NbdException("Unexpected option type in a reply");
        uint length = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(16));
        if (length > LongestReplyBytes) throw new NbdException($"A reply of {length} bytes to an option is too long");
        return ((NbdReply)BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(12)), await NbdText.ReadBytesAsync(_stream, (int)length, cancellation).ConfigureAwait(false));
    }

    private static void RefuseTlsRequired(NbdReply reply)
    {
        if (reply == NbdReply.ErrorTlsRequired) throw new NbdException("Server requires TLS; name it with nbds:// and say where the certificates are");
    }

    private static string Said(byte[] text) => text.Length == 0 ? "" : $": {NbdText.Printable(text)}";
}
