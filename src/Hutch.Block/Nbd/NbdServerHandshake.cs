using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Nbd;

/// <summary>What a client chose.</summary>
/// <param name="Export">The export.</param>
/// <param name="Structured">Reads are answered in chunks.</param>
/// <param name="Contexts">Contexts of block status, by their ids in <see cref="NbdExport.Contexts"/>.</param>
internal sealed record NbdServerChoice(NbdExport Export, bool Structured, IReadOnlyList<int> Contexts);

/// <summary>
/// The server's half of the fixed newstyle handshake. Bytes are read one message at a time and none ahead, so that nothing that came in the clear is taken for what
/// came over TLS; what was agreed on before TLS is forgotten with it.
/// </summary>
internal sealed class NbdServerHandshake
{
    // Longer options are read and refused, much longer ones end the connection.
    private const int LongestOptionBytes = 64 * 1024, LongestSkipBytes = 1 << 20, MostOptions = 1024;

    private readonly IReadOnlyList<NbdExport> _exports;
    private readonly NbdTls? _tls;
    private bool _isSecure, _fixed, _noZeroes, _structured;
    private NbdExport? _contextExport;
    private List<int> _contexts = [];

    /// <summary>Begins; the stream stays the caller's.</summary>
    internal NbdServerHandshake(Stream stream, IReadOnlyList<NbdExport> exports, NbdTls? tls) => (Stream, _exports, _tls) = (stream, exports, tls);

    /// <summary>The stream, over TLS once that was started.</summary>
    internal Stream Stream { get; private set; }

    /// <summary>Comes to terms; null where the client says goodbye. Throws <see cref="NbdException"/> or <see cref="IOException"/> for one that makes no sense.</summary>
    internal async ValueTask<NbdServerChoice?> RunAsync(CancellationToken cancellation)
    {
        using MemoryStream greeting = new();
        NbdText.Put64(greeting, NbdProtocol.ServerMagic);
        NbdText.Put64(greeting, NbdProtocol.OptionMagic);
        NbdText.Put16(greeting, NbdProtocol.FixedNewstyle | NbdProtocol.NoZeroes);
        await Stream.WriteAsync(greeting.ToArray(), cancellation).ConfigureAwait(false);
        uint flags = BinaryPrimitives.ReadUInt32BigEndian(await NbdText.ReadBytesAsync(Stream, 4, cancellation).ConfigureAwait(false));
        if ((flags & ~(uint)(NbdProtocol.FixedNewstyle | NbdProtocol.NoZeroes)) != 0) throw new NbdException($"its flags {NbdText.Hex(flags)} are unknown");
        (_fixed, _noZeroes) = ((flags & NbdProtocol.FixedNewstyle) != 0, (flags & NbdProtocol.NoZeroes) != 0);
        for (int i = 0; i < MostOptions; i++)
        {
            (NbdOption option, byte[]? data) = await ReadOptionAsync(cancellation).ConfigureAwait(false);
            if (!_fixed && option != NbdOption.ExportName) throw new NbdException($"it sends option {(uint)option} without having agreed to the fixed newstyle handshake");
            if (option == NbdOption.ExportName) return await ChooseByNameAsync(data, cancellation).ConfigureAwait(false);
            if (data is null) await ReplyAsync(option, NbdReply.ErrorTooBig, "the option is too long", cancellation).ConfigureAwait(false);
            else if (_tls is not null && !_isSecure && option is not (NbdOption.StartTls or NbdOption.Abort))
                await ReplyAsync(option, NbdReply.ErrorTlsRequired, "TLS comes first", cancellation).ConfigureAwait(false);
            else if (option == NbdOption.Abort)
            {
                await ReplyAsync(option, NbdReply.Ack, "", cancellation).ConfigureAwait(false);
                return null;
            }
            else if (option is NbdOption.Go or NbdOption.Info)
            {
                if (await DescribeAsync(option, data, cancellation).ConfigureAwait(false) is NbdExport chosen && option == NbdOption.Go) return Choose(chosen);
            }
            else await AnswerAsync(option, data, cancellation).ConfigureAwait(false);
        }
        throw new NbdException("it sends options without end");
    }

    private async ValueTask AnswerAsync(NbdOption option, byte[] data, CancellationToken cancellation)
    {
        bool takesNothing = option is NbdOption.List or NbdOption.StructuredReply or NbdOption.StartTls;
        if (takesNothing && data.Length != 0)
        {
            await ReplyAsync(option, NbdReply.ErrorInvalid, "the option takes no data", cancellation).ConfigureAwait(false);
            return;
        }
        switch (option)
        {
            case NbdOption.List:
                foreach (NbdExport export in _exports) await ReplyAsync(option, NbdReply.Server, ListEntry(export), cancellation).ConfigureAwait(false);
                await ReplyAsync(option, NbdReply.Ack, "", cancellation).ConfigureAwait(false);
                break;
            case NbdOption.StructuredReply:
                _structured = true;
                await ReplyAsync(option, NbdReply.Ack, "", cancellation).ConfigureAwait(false);
                break;
            case NbdOption.StartTls when _tls is not null && !_isSecure:
                await ReplyAsync(option, NbdReply.Ack, "", cancellation).ConfigureAwait(false);
                Stream = await _tls.AuthenticateServerAsync(Stream, cancellation).ConfigureAwait(false);
                (_isSecure, _structured, _contextExport, _contexts) = (true, false, null, []);
                break;
            case NbdOption.StartTls:
                await ReplyAsync(option, _isSecure ? NbdReply.ErrorInvalid : NbdReply.ErrorPolicy, _isSecure ? "TLS is on already" : "TLS is not set up here", cancellation).ConfigureAwait(false);
                break;
            case NbdOption.ListMetaContext or NbdOption.SetMetaContext:
                await ContextsAsync(option, data, cancellation).ConfigureAwait(false);
                break;
            default:
                await ReplyAsync(option, NbdReply.ErrorUnsupported, "the option is unknown", cancellation).ConfigureAwait(false);
                break;
        }
    }

    private async ValueTask<NbdServerChoice> ChooseByNameAsync(byte[]? data, CancellationToken cancellation)
    {
        // This option has no answer but success.
        if (_tls is not null && !_isSecure) throw new NbdException("it asks for an export without TLS");
        if (data is null || NbdText.Decode(data) is not string name || Find(name) is not NbdExport export) throw new NbdException("it asks for an export that does not exist");
        using MemoryStream answer = new();
        NbdText.Put64(answer, (ulong)export.Node.LengthBytes);
        NbdText.Put16(answer, (ushort)export.FlagsFor(_structured));
        if (!_noZeroes) answer.Write(new byte[124]);
        await Stream.WriteAsync(answer.ToArray(), cancellation).ConfigureAwait(false);
        return Choose(export);
    }

    private async ValueTask<NbdExport?> DescribeAsync(NbdOption option, byte[] data, CancellationToken cancellation)
    {
        if (!TryParseInfo(data, out string name, out HashSet<NbdInfo> wanted))
        {
            await ReplyAsync(option, NbdReply.ErrorInvalid, "the request for an export is malformed", cancellation).ConfigureAwait(false);
            return null;
        }
        if (Find(name) is not NbdExport export)
        {
            await ReplyAsync(option, NbdReply.ErrorUnknown, $"export '{name}' not present", cancellation).ConfigureAwait(false);
            return null;
        }
        if (wanted.Contains(NbdInfo.Name)) await ReplyAsync(option, NbdReply.Info, InfoText(NbdInfo.Name, export.Name), cancellation).ConfigureAwait(false);
        if (wanted.Contains(NbdInfo.Description) && export.Description.Length != 0)
            await ReplyAsync(option, NbdReply.Info, InfoText(NbdInfo.Description, export.Description), cancellation).ConfigureAwait(false);
        using MemoryStream sizes = new();
        NbdText.Put16(sizes, (ushort)NbdInfo.BlockSize);
        NbdText.Put32(sizes, (uint)export.Node.Limits.RequestAlignmentBytes);
        NbdText.Put32(sizes, (uint)Math.Max(4096, export.Node.Limits.RequestAlignmentBytes));
        NbdText.Put32(sizes, NbdProtocol.LargestPayload);
        await ReplyAsync(option, NbdReply.Info, sizes.ToArray(), cancellation).ConfigureAwait(false);
        using MemoryStream info = new();
        NbdText.Put16(info, (ushort)NbdInfo.Export);
        NbdText.Put64(info, (ulong)export.Node.LengthBytes);
        NbdText.Put16(info, (ushort)export.FlagsFor(_structured));
        await ReplyAsync(option, NbdReply.Info, info.ToArray(), cancellation).ConfigureAwait(false);
        await ReplyAsync(option, NbdReply.Ack, "", cancellation).ConfigureAwait(false);
        return export;
    }

    private async ValueTask ContextsAsync(NbdOption option, byte[] data, CancellationToken cancellation)
    {
        bool sets = option == NbdOption.SetMetaContext;
        if (sets) (_contextExport, _contexts) = (null, []);
        if (!_structured || !TryParseContexts(data, out string name, out List<string> queries))
        {
            await ReplyAsync(option, NbdReply.ErrorInvalid, _structured ? "the request for contexts is malformed" : "structured replies come first", cancellation).ConfigureAwait(false);
            return;
        }
        if (Find(name) is not NbdExport export)
        {
            await ReplyAsync(option, NbdReply.ErrorUnknown, $"export '{name}' not present", cancellation).ConfigureAwait(false);
            return;
        }
        IReadOnlyList<string> contexts = export.Contexts;
        List<int> chosen = [];
        for (int id = 0; id < contexts.Count; id++)
        {
            string context = contexts[id];
            // A list may be asked for by the beginning of names, up to a colon.
            bool wanted = queries.Contains(context) || (!sets && (queries.Count == 0 || queries.Exists(query => query.EndsWith(':') && context.StartsWith(query, StringComparison.Ordinal))));
            if (!wanted) continue;
            chosen.Add(id);
            using MemoryStream entry = new();
            NbdText.Put32(entry, sets ? (uint)id : 0);
            entry.Write(Encoding.UTF8.GetBytes(context));
            await ReplyAsync(option, NbdReply.MetaContext, entry.ToArray(), cancellation).ConfigureAwait(false);
        }
        if (sets) (_contextExport, _contexts) = (export, chosen);
        await ReplyAsync(option, NbdReply.Ack, "", cancellation).ConfigureAwait(false);
    }

    // Contexts were chosen for one export and are worth nothing for another.
    private NbdServerChoice Choose(NbdExport export) => new(export, _structured, ReferenceEquals(export, _contextExport) ? _contexts : []);

    private NbdExport? Find(string name)
    {
        foreach (NbdExport export in _exports)
            if (export.Name == name) return export;
        return null;
    }

    private static bool TryParseInfo(ReadOnlySpan<byte> data, out string name, out HashSet<NbdInfo> wanted)
    {
        (name, wanted) = ("", []);
        if (!NbdText.TryTakeText(ref data, out ReadOnlySpan<byte> text) || text.Length > NbdProtocol.LongestText || NbdText.Decode(text) is not string decoded || data.Length < 2) return false;
        name = decoded;
        int count = BinaryPrimitives.ReadUInt16BigEndian(data);
        data = data[2..];
        if (data.Length != 2 * count) return false;
        for (; data.Length != 0; data = data[2..]) _ = wanted.Add((NbdInfo)BinaryPrimitives.ReadUInt16BigEndian(data));
        return true;
    }

    private static bool TryParseContexts(ReadOnlySpan<byte> data, out string name, out List<string> queries)
    {
        (name, queries) = ("", []);
        if (!NbdText.TryTakeText(ref data, out ReadOnlySpan<byte> text) || text.Length > NbdProtocol.LongestText || NbdText.Decode(text) is not string decoded || data.Length < 4) return false;
        name = decoded;
        uint count = BinaryPrimitives.ReadUInt32BigEndian(data);
        data = data[4..];
        for (uint i = 0; i < count; i++)
        {
            if (!NbdText.TryTakeText(ref data, out text) || text.Length > NbdProtocol.LongestText || NbdText.Decode(text) is not string query) return false;
            queries.Add(query);
        }
        return data.Length == 0;
    }

    // The data is null where it was too long to be taken.
    private async ValueTask<(NbdOption Option, byte[]? Data)> ReadOptionAsync(CancellationToken cancellation)
    {
        byte[] header = await NbdText.ReadBytesAsync(Stream, 16, cancellation).ConfigureAwait(false);
        if (BinaryPrimitives.ReadUInt64BigEndian(header) != NbdProtocol.OptionMagic) throw new NbdException("it sends no option where one must be");
        NbdOption option = (NbdOption)BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8));
        uint length = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(12));
        if (length <= LongestOptionBytes) return (option, await NbdText.ReadBytesAsync(Stream, (int)length, cancellation).ConfigureAwait(false));
        if (length > LongestSkipBytes) throw new NbdException($"it sends an option of {length} bytes");
        await NbdText.SkipAsync(Stream, length, cancellation).ConfigureAwait(false);
        return (option, null);
    }

    private ValueTask ReplyAsync(NbdOption option, NbdReply reply, string text, CancellationToken cancellation) => ReplyAsync(option, reply, Encoding.UTF8.GetBytes(text), cancellation);

    private ValueTask ReplyAsync(NbdOption option, NbdReply reply, byte[] data, CancellationToken cancellation)
    {
        byte[] message = new byte[20 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(message, NbdProtocol.OptionReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(8), (uint)option);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(12), (uint)reply);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(16), (uint)data.Length);
        data.CopyTo(message, 20);
        return Stream.WriteAsync(message, cancellation);
    }

    private static byte[] ListEntry(NbdExport export)
    {
        using MemoryStream entry = new();
        NbdText.PutText(entry, export.Name);
        entry.Write(Encoding.UTF8.GetBytes(export.Description));
        return entry.ToArray();
    }

    private static byte[] InfoText(NbdInfo kind, string text)
    {
        using MemoryStream info = new();
        NbdText.Put16(info, (ushort)kind);
        info.Write(Encoding.UTF8.GetBytes(text));
        return info.ToArray();
    }
}
