using Hutch.Cpu.State;

namespace Hutch.Cpu.Translate;

/// <summary>The state of one block's emission, shared by the emitters.</summary>
internal sealed class Emission
{
    public Emission(StubAddresses stubs)
    {
        Stubs = stubs;
        Flags = new FlagParking(Code);
        Cold = new ColdParts(this);
    }

    public StubAddresses Stubs { get; }

    public CodeWriter Code { get; } = new();

    public FlagParking Flags { get; }

    public ColdParts Cold { get; }

    /// <summary>Rights of data accesses from here on; STAC and CLAC change it inside a block.</summary>
    public AccessMode Access { get; set; }

    /// <summary>The mode the block is keyed by.</summary>
    public BlockMode Mode { get; private set; }

    /// <summary>RIP of the block.</summary>
    public ulong Rip { get; private set; }

    /// <summary>Vector state is in registers throughout the body.</summary>
    public bool Vector { get; private set; }

    /// <summary>Starts a block.</summary>
    public void Begin(ulong rip, BlockMode mode, bool vector)
    {
        Rip = rip;
        Mode = mode;
        Vector = vector;
        Access = (AccessMode)(mode & BlockMode.AccessMask);
        Flags.Parked = false;
        Cold.Clear();
    }

    /// <summary>The target lies on the page of the block's start, so that a branch to it may be linked.</summary>
    public bool IsLinkable(ulong target) => (target ^ Rip) < 4096;
}
