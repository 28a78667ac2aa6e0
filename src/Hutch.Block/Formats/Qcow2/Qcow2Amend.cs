using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Changes options of an image: its version, lazy refcounts, the width of refcounts, the backing reference, the length. Everything is checked before anything is
/// changed, except for what only a walk over the metadata shows. Messages are QEMU's where it has them.
/// </summary>
internal sealed class Qcow2Amend(Qcow2Node node)
{
    private readonly Qcow2Metadata _metadata = node.Metadata;

    /// <summary>Amends. The image must be opened again after its version or its refcounts have changed.</summary>
    internal async ValueTask RunAsync(IReadOnlyDictionary<string, string> options, Action<double>? progress, CancellationToken cancellation)
    {
        Qcow2Header header = _metadata.Header;
        Target target = Read(options, header);
        Check(target, header);
        await _metadata.SettleAsync().ConfigureAwait(false);
        if (target.Version >= header.Version && (target.Version != header.Version || target.IsLazy != header.IsLazy))
            await SetVersionAsync(target.Version, target.IsLazy, cancellation).ConfigureAwait(false);
        if (target.Backing != header.BackingName || target.BackingFormat != header.BackingFormat)
            await node.SetBackingReferenceAsync(target.Backing, target.BackingFormat, cancellation).ConfigureAwait(false);
        if (target.LengthBytes != header.LengthBytes) await node.ResizeAsync(target.LengthBytes, Preallocation.Off, cancellation).ConfigureAwait(false);
        if (target.Version < header.Version) await ExpandZerosAsync(cancellation).ConfigureAwait(false);
        if (target.RefcountOrder != header.RefcountOrder)
        {
            await _metadata.SettleAsync().ConfigureAwait(false);
            await _metadata.TrimFileAsync().ConfigureAwait(false);
            await new RefcountWidthChange(_metadata, target.RefcountOrder, progress).RunAsync(cancellation).ConfigureAwait(false);
        }
        if (target.Version < header.Version) await DowngradeAsync(cancellation).ConfigureAwait(false);
        progress?.Invoke(1);
    }

    private static Target Read(IReadOnlyDictionary<string, string> options, Qcow2Header header)
    {
        Target target = new(header.Version, header.IsLazy, header.RefcountOrder, header.LengthBytes, header.BackingName, header.BackingFormat);
        bool isLazyAsked = false;
        foreach ((string name, string value) in options)
        {
            switch (name)
            {
                case "compat":
                    target = target with { Version = VersionOf(value) };
                    break;
                case "lazy_refcounts":
                    isLazyAsked = Options.OptionText.ReadSwitch(name, value);
                    target = target with { IsLazy = isLazyAsked };
                    break;
                case "size":
                    ulong bytes = Options.OptionText.ReadSize(name, value);
                    target = target with { LengthBytes = bytes <= long.MaxValue - 511 ? ((long)bytes + 511) & ~511L : throw new ImageException("Image is too big") };
                    break;
                case "backing_file":
                    target = target with { Backing = value.Length == 0 ? null : value };
                    break;
                case "backing_fmt":
                    target = target with { BackingFormat = value };
                    break;
                case "refcount_bits":
                    target = target with { RefcountOrder = RefcountOrderOf(name, value) };
                    break;
                case "data_file_raw":
                    if (Options.OptionText.ReadSwitch(name, value) != header.IsDataFileRaw) throw new ImageException("data-file-raw cannot be set on existing images");
                    break;
                default:
                    throw new ImageException($"Invalid parameter '{name}'", "This option is only supported for image creation");
            }
        }
        if (isLazyAsked && target.Version < 3) throw new ImageException("Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)");
        if (options.ContainsKey("refcount_bits") && target.RefcountOrder != header.RefcountOrder && target is { RefcountOrder: not 4, Version: < 3 })
            throw new ImageException("Refcount widths other than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)");
        return target;
    }

    private void Check(Target target, Qcow2Header header)
    {
        if (target.LengthBytes != header.LengthBytes && header.SnapshotCount != 0 && target.Version < 3) throw new ImageException("Can't resize a v2 image which has snapshots");
        if (target.Version >= header.Version) return;
        if (target.RefcountOrder != 4) throw new ImageException("compat=0.10 requires refcount_bits=16");
        if (header.HasDataFile) throw new ImageException("Cannot downgrade an image with a data file");
        if (header.Bitmaps is not null) throw new ImageException("Cannot downgrade an image with bitmaps", "Remove them with 'bitmap --remove' first.");
        foreach (Qcow2Snapshot snapshot in _metadata.Snapshots)
            if (snapshot.Info.DiskBytes != header.LengthBytes) throw new ImageException("Internal snapshots prevent downgrade of image");
        ulong others = header.Incompatible & ~Qcow2Features.Dirty;
        if (others != 0) throw new ImageException(string.Create(CultureInfo.InvariantCulture, $"Cannot downgrade an image with incompatible features 0x{others:x} set"));
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

    private async ValueTask ExpandZerosAsync(CancellationToken cancellation)
    {
        await _metadata.SettleAsync().ConfigureAwait(false);
        _metadata.ForgetL2Tables();
        await new ZeroExpansion(_metadata).RunAsync(cancellation).ConfigureAwait(false);
    }

    // The header alone: nothing in the image needs version 3 any more.
    private async ValueTask DowngradeAsync(CancellationToken cancellation)
    {
        if (!_metadata.IsOutdated) await _metadata.TrimFileAsync().ConfigureAwait(false);
        await _metadata.UpdateHeaderAsync(header => header with { Version = 2, Incompatible = 0, Compatible = 0, Autoclear = 0, UnknownFields = [] }, cancellation).ConfigureAwait(false);
        _metadata.MarkOutdated();
    }

    private static int RefcountOrderOf(string name, string value)
    {
        ulong bits = Options.OptionText.ReadNumber(name, value);
        return bits is >= 1 and <= 64 && ulong.IsPow2(bits) ? (int)ulong.Log2(bits) : throw new ImageException("Refcount width must be a power of two and may not exceed 64 bits");
    }

    private static int VersionOf(string value) => value switch
    {
        "0.10" or "v2" => 2,
        "1.1" or "v3" => 3,
        _ => throw new ImageException($"Unknown compatibility level {value}"),
    };

    private sealed record Target(int Version, bool IsLazy, int RefcountOrder, long LengthBytes, string? Backing, string? BackingFormat);
}
