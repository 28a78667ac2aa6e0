using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Filters;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Nbd;
using Hutch.Block.Options;
using Hutch.Block.Simulation;
using Hutch.Host.Files;

namespace Hutch.Block.Opening;

/// <summary>Opens nodes that are no image formats: where bytes are stored, and filters over other nodes. A new one adds its lines here.</summary>
internal sealed class ProtocolDriver(GraphOpener opener, FileOptions files)
{
    private const long NullBytes = 1L << 30;
    private const string Nbd = "nbd";

    /// <summary>Whether there is a driver of this name here.</summary>
    internal static bool Has(string driver) =>
        driver is "file" or "host_device" or "host_cdrom" or "null-co" or "null-aio" or "blkdebug" or "copy-on-read" or Nbd;

    /// <summary>The driver for a name without a word about it. Throws <see cref="ImageException"/> where there is none.</summary>
    internal static string OfName(string name)
    {
        if (FileNames.LocalPath(name) is string path) return DiskFile.FindKind(path) is DiskFileKind.BlockDevice or DiskFileKind.Other ? "host_device" : "file";
        string protocol = FileNames.ProtocolOf(name)!;
        return protocol switch
        {
            _ when Has(protocol) => protocol,
            _ when NbdOpening.IsProtocol(protocol) => Nbd,
            _ => throw new ImageException($"Unknown protocol '{protocol}'"),
        };
    }

    /// <summary>Opens a node.</summary>
    internal async ValueTask<BlockNode> OpenAsync(string driver, string name, OptionSet options, bool readOnly, ChainPlace place, CancellationToken cancellation)
    {
        switch (driver)
        {
            case "null-co" or "null-aio":
                return new NullNode(options.TakeSize("size") ?? NullBytes, options.TakeSwitch("read-zeroes") == true);
            case "blkdebug":
                return await OpenBlkdebugAsync(name, options, readOnly, place, cancellation).ConfigureAwait(false);
            case Nbd:
                return await OpenNbdAsync(name, options, readOnly, cancellation).ConfigureAwait(false);
            case "copy-on-read":
                return await OpenCopyOnReadAsync(name, options, readOnly, place, cancellation).ConfigureAwait(false);
            default:
                string path = FileNames.LocalPath(name.Length > 0 ? name : options.Take("filename") ?? "") ?? name;
                if (path.Length == 0) throw new ImageException($"The '{driver}' block driver requires a file name");
                bool locks = options.Take("locking") is not "off";
                if (options.Take("aio") is string aio && aio is not ("threads" or "io_uring" or "native"))
                    throw new ImageException($"Parameter 'aio' does not accept value '{aio}'");
                return OpenFile(driver, path, readOnly, locks ? files : files with { Lock = false });
        }
    }

    /// <summary>Opens a file of the host. Throws <see cref="ImageException"/>.</summary>
    internal static BlockNode OpenFile(string driver, string path, bool readOnly, FileOptions files)
    {
        DiskFileKind? kind = DiskFile.FindKind(path);
        if (kind is DiskFileKind.Directory && !readOnly) throw new ImageException($"Could not open '{path}': Is a directory");
        if (driver == "file" && kind is not (null or DiskFileKind.Regular)) throw new ImageException($"'file' driver requires '{path}' to be a regular file");
        if (driver != "file" && kind is DiskFileKind.Regular or DiskFileKind.Directory)
            throw new ImageException($"'{driver}' driver requires '{path}' to be either a character or block device");
        // A character device has no length and holds nothing.
        if (kind is DiskFileKind.Other) return new NullNode(0);
        try
        {
            return FileNode.Open(path, files.ToOpenOptions(readOnly));
        }
        catch (DiskOpenException e)
        {
            throw ImageExceptionOf(e);
        }
    }

    /// <summary>The failure as the image tool prints it.</summary>
    internal static ImageException ImageExceptionOf(DiskOpenException e) =>
        new(e.Reason ?? e.Message, e.Hint) { Refusal = e, Remark = e.Holder is null ? null : $"It is in use by {e.Holder}." };

    private async ValueTask<BlockNode> OpenBlkdebugAsync(string name, OptionSet options, bool readOnly, ChainPlace place, CancellationToken cancellation)
    {
        string? config = options.Take("config");
        bool isNamed = name.StartsWith("blkdebug:", StringComparison.Ordinal);
        if (isNamed)
        {
            string rest = name["blkdebug:".Length..];
            int colon = rest.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0) throw new ImageException("blkdebug requires both config file and image path");
            if (colon > 0) config ??= rest[..colon];
            name = rest[(colon + 1)..];
        }
        BlkdebugRules rules = new();
        if (config is not null) rules.ReadFile(config);
        rules.ReadOptions(options);
        long alignment = options.TakeSize("align") ?? 1;
        if (alignment is < 1 or > int.MaxValue || (alignment & (alignment - 1)) != 0) throw new ImageException($"Cannot meet constraints with align {alignment}");
        OptionSet below = options.TakeChild("image");
        BlockNode image = isNamed && below.Peek("driver") is null
            ? await opener.OpenProtocolAsync(name, below, readOnly, files, place, cancellation).ConfigureAwait(false)
            : await opener.OpenImageAsync(name, null, below, readOnly, place, cancellation).ConfigureAwait(false);
        return new BlkdebugNode(image, rules, (int)alignment);
    }

    private async ValueTask<BlockNode> OpenNbdAsync(string name, OptionSet options, bool readOnly, CancellationToken cancellation)
    {
        try
        {
            return await NbdOpening.OpenAsync(name.Length > 0 ? name : options.Take("filename") ?? "", options.Take, readOnly, opener.FindTlsFolder, cancellation).ConfigureAwait(false);
        }
        catch (DiskOpenException e)
        {
            throw ImageExceptionOf(e);
        }
    }

    private async ValueTask<BlockNode> OpenCopyOnReadAsync(string name, OptionSet options, bool readOnly, ChainPlace place, CancellationToken cancellation)
    {
        if (readOnly) throw new ImageException("Block node is read-only");
        BlockNode child = await opener.OpenImageAsync(name, null, options.TakeChild("file"), readOnly, place, cancellation).ConfigureAwait(false);
        return new CopyOnReadNode(child);
    }
}
