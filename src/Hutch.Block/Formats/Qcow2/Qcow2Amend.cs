using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Options;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Changes options of an image: a newer version, lazy refcounts, the backing reference, the length. What would need all of the metadata written in
/// another form (an older version, another width of refcounts) is refused. Messages are QEMU's where it has them.
/// </summary>
internal sealed class Qcow2Amend(Qcow2Node node)
{
    private readonly Qcow2Metadata _metadata = node.Metadata;

    /// <summary>Amends; everything is checked before anything is changed.</summary>
    internal async ValueTask RunAsync(IReadOnlyDictionary<string, string> options, Action<double>? progress, CancellationToken cancellation)
    {
        Qcow2Header header = _metadata.Header;
        int version = header.Version;
        bool lazy = header.IsLazy;
        long length = header.LengthBytes;
        string? backing = header.BackingName, format = header.BackingFormat;
        foreach ((string name, string value) in options)
        {
            switch (name)
            {
                case "compat":
                    version = VersionOf(value);
                    break;
                case "lazy_refcounts":
                    lazy = SwitchOf(name, value);
                    break;
                case "size":
                    length = SizeText.Parse(value, out ulong bytes) == SizeError.None && bytes <= long.MaxValue - 511 ? ((long)bytes + 511) & ~511L : throw new ImageException($"Parameter '{name}' expects a non-negative number below 2^64");
                    break;
                case "backing_file":
                    backing = value.Length == 0 ? null : value;
                    break;
                case "backing_fmt":
                    format = value;
                    break;
                case "refcount_bits":
                    CheckRefcountBits(value, version);
                    break;
                case "data_file_raw":
                    if (SwitchOf(name, value) != header.IsDataFileRaw) throw new ImageException("data-file-raw cannot be set on existing images");
                    break;
                default:
                    throw new ImageException($"Invalid parameter '{name}'", "This option is only supported for image creation");
            }
        }
        if (version < header.Version) throw new ImageException("Lowering the compatibility level is not supported", "Convert the image with -o compat=0.10.");
        if (lazy && version < 3) throw new ImageException("Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)");
        if (length != header.LengthBytes && header.SnapshotCount != 0 && version < 3) throw new ImageException("Can't resize a v2 image which has snapshots");
        await _metadata.SettleAsync().ConfigureAwait(false);
        if (version != header.Version || lazy != header.IsLazy) await SetVersionAsync(version, lazy, cancellation).ConfigureAwait(false);
        progress?.Invoke(0.5);
        if (backing != header.BackingName || format != header.BackingFormat) await node.SetBackingReferenceAsync(backing, format, cancellation).ConfigureAwait(false);
        if (length != header.LengthBytes) await node.ResizeAsync(length, Preallocation.Off, cancellation).ConfigureAwait(false);
        progress?.Invoke(1);
    }

    private async ValueTask SetVersionAsync(int version, bool lazy, CancellationToken cancellation)
    {
        // Version 3 demands the disk's length of each snapshot; entries that are written now have it.
        if (version != _metadata.Header.Version && _metadata.Snapshots.Length != 0)
        {
            await Qcow2Snapshots.SwitchTableAsync(_metadata, _metadata.Snapshots).ConfigureAwait(false);
            await _metadata.SettleAsync().ConfigureAwait(false);
        }
        await _metadata.UpdateHeaderAsync(header => header with
        {
            Version = version,
            Compatible = lazy ? header.Compatible | Qcow2Features.LazyRefcounts : header.Compatible & ~Qcow2Features.LazyRefcounts,
            Incompatible = header.Incompatible & ~Qcow2Features.Dirty,
        }, cancellation).ConfigureAwait(false);
    }

    private void CheckRefcountBits(string value, int version)
    {
        if (!int.TryParse(value, out int bits) || bits is < 1 or > 64 || !int.IsPow2(bits)) throw new ImageException("Refcount width must be a power of two and may not exceed 64 bits");
        if (bits == 1 << _metadata.Header.RefcountOrder) return;
        if (version < 3) throw new ImageException("Different refcount widths than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)");
        throw new ImageException("Changing the refcount width is not supported", "Convert the image with -o refcount_bits=N.");
    }

    private static int VersionOf(string value) => value switch
    {
        "0.10" or "v2" => 2,
        "1.1" or "v3" => 3,
        _ => throw new ImageException($"Unknown compatibility level {value}"),
    };

    private static bool SwitchOf(string name, string value) => value switch
    {
        "on" => true,
        "off" => false,
        _ => throw new ImageException($"Parameter '{name}' expects 'on' or 'off'"),
    };
}
