using System;
using Hutch.Block.Graph;
using Hutch.Devices.Storage;
using Hutch.Model.Machine;

namespace Hutch.Devices.Ata;

/// <summary>The disc in the drive, which the machine's owner may change; the guest is told by a unit attention and by a media event (MMC-6 §6.6).</summary>
internal sealed partial class AtaCdRom : IMediumDrive
{
    private readonly Func<DiskConfig, BlockNode> _open;
    private BlockNode? _node;

    // The next command is told that the medium may be another; the button was pressed, and nobody told of it yet.
    private bool _hasAttention, _isEjectAsked;

    /// <inheritdoc/>
    internal override BlockNode? Node => _node;

    /// <inheritdoc/>
    string IMediumDrive.Name => Name;

    /// <inheritdoc/>
    bool IMediumDrive.IsLocked => _isLocked && HasMedium;

    // A disc lies in it, and its tray is closed.
    private bool HasMedium => _node is not null && !_isOpen;

    /// <inheritdoc/>
    void IMediumDrive.PressEject() => _isEjectAsked = true;

    /// <inheritdoc/>
    void IMediumDrive.Change(DiskConfig? medium)
    {
        BlockNode? next = medium is null ? null : _open(medium), before = _node;
        _hasEvent |= HasMedium || next is not null;
        _hasAttention |= next is not null;
        (_node, _isOpen, _isLocked, _isEjectAsked) = (next, false, false, false);
        if (before is not null) DiskNodes.Close(before);
    }
}
