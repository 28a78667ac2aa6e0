namespace Hutch.Block.Nbd;

/// <summary>A request as it came, checked or not.</summary>
internal readonly record struct NbdServerRequest(NbdCommand Command, NbdCommandFlags Flags, ulong Cookie, ulong Offset, uint LengthBytes)
{
    /// <summary>Where, once it was checked.</summary>
    internal long At => (long)Offset;

    /// <summary>Whether a flag is set.</summary>
    internal bool Has(NbdCommandFlags flag) => (Flags & flag) != 0;

    /// <summary>Whether it changes the export.</summary>
    internal bool Writes => Command is NbdCommand.Write or NbdCommand.WriteZeroes or NbdCommand.Trim;

    /// <summary>The error that the request deserves before anything is done for it; 0 where it is well.</summary>
    internal int Check(NbdServerChoice choice)
    {
        NbdCommandFlags allowed = Command switch
        {
            NbdCommand.Read => choice.Structured ? NbdCommandFlags.DontFragment : NbdCommandFlags.None,
            NbdCommand.Write or NbdCommand.Trim => NbdCommandFlags.Fua,
            NbdCommand.WriteZeroes => NbdCommandFlags.Fua | NbdCommandFlags.NoHole | NbdCommandFlags.FastZero,
            NbdCommand.BlockStatus => NbdCommandFlags.RequestOne,
            _ => NbdCommandFlags.None,
        };
        // Clients send FUA with anything.
        if ((Flags & ~allowed & ~NbdCommandFlags.Fua) != 0 || Command > NbdCommand.BlockStatus) return NbdErrors.Invalid;
        if (Writes && !choice.Export.IsWritable) return NbdErrors.Permission;
        if (Command == NbdCommand.Flush) return 0;
        ulong length = (ulong)choice.Export.Node.LengthBytes;
        if (Offset > length || LengthBytes > length - Offset) return Writes && Command != NbdCommand.Trim ? NbdErrors.NoSpace : NbdErrors.Invalid;
        uint block = (uint)choice.Export.Node.Limits.RequestAlignmentBytes;
        if (Offset % block != 0 || LengthBytes % block != 0) return NbdErrors.Invalid;
        if (Command is NbdCommand.Read && LengthBytes > NbdProtocol.LargestPayload) return NbdErrors.Invalid;
        if (Command == NbdCommand.BlockStatus && (choice.Contexts.Count == 0 || LengthBytes == 0)) return NbdErrors.Invalid;
        return 0;
    }
}
