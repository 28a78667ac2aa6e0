using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Raw;
using Hutch.Block.Graph;
using Hutch.Block.Options;

namespace Hutch.Block.Opening;

/// <summary>Makes nodes of names and options: the nodes of one request.</summary>
internal sealed class GraphOpener(BlockOpenRequest request)
{
    /// <summary>Which references are followed.</summary>
    internal ReferencePolicy Policy => request.References;

    /// <summary>The folder of TLS credentials by their id; null where there are none at all.</summary>
    internal Func<string, string?>? FindTlsFolder => request.FindTlsFolder;

    /// <summary>Opens an image and all below it: a format over a protocol, or a protocol alone where the driver is one.</summary>
    internal async ValueTask<BlockNode> OpenImageAsync(string name, string? format, OptionSet options, bool readOnly, ChainPlace place, CancellationToken cancellation)
    {
        name = Unfold(name, options);
        string? driver = format ?? options.Take("driver");
        if (format is not null) options.Take("driver");
        readOnly |= TakeReadOnly(options);
        FileOptions files = TakeFileOptions(options, new FileOptions(request));
        if (driver is not null && ProtocolDriver.Has(driver))
            return await new ProtocolDriver(this, files).OpenAsync(driver, name, options, readOnly, place, cancellation).ConfigureAwait(false);
        ImageFormat? chosen = driver is null ? null
            : ImageFormats.Find(driver) ?? throw new ImageException($"Unknown driver '{driver}'");
        OptionSet below = options.TakeChild("file");
        if (options.Take("file") is string reference) throw new ImageException($"Cannot find device='{reference}' nor node-name='{reference}'");
        if (name.Length == 0 && below.IsEmpty) throw new ImageException("A block device must be specified for \"file\"");
        BlockNode file = await OpenProtocolAsync(name, below, readOnly, files, place, cancellation).ConfigureAwait(false);
        try
        {
            if (request.UndoFile is not null && place.IsTop) file = new UndoNode(file, request.UndoFile);
            return await OpenFormatAsync(file, chosen, options, readOnly, place, cancellation).ConfigureAwait(false);
        }
        catch
        {
            await file.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Opens what stores bytes: a file, a network server.</summary>
    internal ValueTask<BlockNode> OpenProtocolAsync(string name, OptionSet options, bool readOnly, CancellationToken cancellation) =>
        OpenProtocolAsync(name, options, readOnly, new FileOptions(request), ChainPlace.Top(name), cancellation);

    /// <summary>As above, with what the nodes above say about files.</summary>
    internal async ValueTask<BlockNode> OpenProtocolAsync(string name, OptionSet options, bool readOnly, FileOptions files, ChainPlace place, CancellationToken cancellation)
    {
        name = Unfold(name, options);
        readOnly |= TakeReadOnly(options);
        files = TakeFileOptions(options, files);
        string? driver = options.Take("driver");
        if (driver is not null && !ProtocolDriver.Has(driver))
        {
            // A format where bytes are stored: images in images.
            options.Set("driver", driver);
            return await OpenImageAsync(name, null, options, readOnly, place, cancellation).ConfigureAwait(false);
        }
        driver ??= ProtocolDriver.OfName(name.Length > 0 ? name : options.Peek("filename") ?? "");
        return await new ProtocolDriver(this, files).OpenAsync(driver, name, options, readOnly, place, cancellation).ConfigureAwait(false);
    }

    private async ValueTask<BlockNode> OpenFormatAsync(BlockNode file, ImageFormat? chosen, OptionSet options, bool readOnly, ChainPlace place, CancellationToken cancellation)
    {
        ImageFormat format = chosen ?? await ProbeAsync(file, cancellation).ConfigureAwait(false);
        OptionSet backing = options.TakeChild("backing");
        bool noBacking = options.Take("backing") is string name && (name.Length == 0 ? true
            : throw new ImageException($"Cannot find device='{name}' nor node-name='{name}'"));
        bool isProbedRaw = chosen is null && format is RawFormat;
        ImageOpenOptions how = new()
        {
            ReadOnly = readOnly,
            ForCheck = request.ForCheck,
            NoData = request.NoData,
            References = new ImageReferences(this, place, backing, noBacking),
            Secrets = request.Secrets,
            Report = request.Warn,
            Options = options.Rest,
        };
        if (!isProbedRaw || readOnly) return await format.OpenAsync(file, how, cancellation).ConfigureAwait(false);
        request.Warn?.Invoke(ProbedRawWarning(file.Filename));
        return new RawNode(file) { MayChangeFormat = false };
    }

    private static string ProbedRawWarning(string name) =>
        $"WARNING: Image format was not specified for '{name}' and probing guessed raw.\n"
        + "         Automatically detecting the format is dangerous for raw images, write operations on block 0 will be restricted.\n"
        + "         Specify the 'raw' format explicitly to remove the restrictions.";

    private static async ValueTask<ImageFormat> ProbeAsync(BlockNode file, CancellationToken cancellation)
    {
        if (file.LengthBytes == 0) return RawFormat.Instance;
        byte[] head = new byte[Math.Min(ImageFormats.ProbeBytes, file.LengthBytes)];
        await file.ReadBytesAsync(0, head, cancellation).ConfigureAwait(false);
        return ImageFormats.Probe(head, file.Filename);
    }

    // A description in the name's place becomes options; what was said beside it counts more.
    private static string Unfold(string name, OptionSet options)
    {
        if (!name.StartsWith(FileNames.Description, StringComparison.Ordinal)) return name;
        options.AddMissing(JsonDescription.Parse(name.AsSpan(FileNames.Description.Length)));
        return "";
    }

    private static bool TakeReadOnly(OptionSet options)
    {
        options.Take("node-name");
        options.Take("detect-zeroes");
        bool? readOnly = options.TakeSwitch("read-only");
        return options.TakeSwitch("auto-read-only") == true && readOnly is null ? false : readOnly == true;
    }

    private static FileOptions TakeFileOptions(OptionSet options, FileOptions files)
    {
        bool? direct = options.TakeSwitch("cache.direct"), noFlush = options.TakeSwitch("cache.no-flush"), writeback = options.TakeSwitch("cache.writeback");
        if (direct is not null || noFlush is not null || writeback is not null)
        {
            bool isDirect = direct ?? files.Cache is CacheMode.None or CacheMode.DirectSync;
            bool isWriteback = writeback ?? files.Cache is not (CacheMode.Writethrough or CacheMode.DirectSync);
            CacheMode cache = isDirect ? (isWriteback ? CacheMode.None : CacheMode.DirectSync) : isWriteback ? CacheMode.Writeback : CacheMode.Writethrough;
            files = files with { Cache = noFlush == true ? CacheMode.Unsafe : cache };
        }
        if (options.TakeSwitch("force-share") == true) files = files with { ForceShare = true };
        if (options.Take("discard") is string discard) files = files with { Unmap = discard is "unmap" or "on" };
        return files;
    }
}
