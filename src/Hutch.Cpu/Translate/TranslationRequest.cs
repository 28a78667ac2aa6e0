using Hutch.Cpu.State;

namespace Hutch.Cpu.Translate;

/// <summary>What to translate.</summary>
internal unsafe struct TranslationRequest
{
    /// <summary>Guest RIP of the first instruction.</summary>
    public ulong Rip;

    /// <summary>The mode the block is keyed by.</summary>
    public BlockMode Mode;

    /// <summary>Host address of the first code byte, in guest RAM that may be changing: every byte is read once.</summary>
    public byte* Code;

    /// <summary>Bytes readable at <see cref="Code"/>, up to the page's end: 1 to 4096.</summary>
    public int Available;

    /// <summary>Host address of the first byte of the next linear page, or null. Used only if the first instruction crosses into it.</summary>
    public byte* NextPage;

    /// <summary>What the instruction TLB entry of the next page must hold for such a block to run (<see cref="Mmu.ContextAreas.PackItlb"/>).</summary>
    public ulong NextPageItlb;
}

/// <summary>What a translation came to.</summary>
internal struct TranslatedBlock
{
    /// <summary>Host bytes emitted.</summary>
    public int Length;

    /// <summary>Offset of the entry that checks R11 against the block's RIP. Flags are in FlagSave there.</summary>
    public int IndirectEntry;

    /// <summary>Offset of the entry of linked branches. Its first five bytes become a jump to <see cref="DeadExit"/> when the block dies.</summary>
    public int DirectEntry;

    /// <summary>Offset of cold code that leaves to the dispatcher at the block's RIP.</summary>
    public int DeadExit;

    /// <summary>Guest bytes the block covers, from its RIP.</summary>
    public int GuestBytes;

    /// <summary>Guest instructions in the block.</summary>
    public int Instructions;
}

/// <summary>Addresses of the runtime's stubs, within 2 GiB of all translated code. docs/internals/cpu-engine.md has their contracts.</summary>
internal sealed class StubAddresses
{
    /// <summary>Jumped to with R11 = RIP to go on at.</summary>
    public ulong Dispatch { get; init; }

    /// <summary>Called by the cold part of a patchable branch; target and distance of the branch follow the call.</summary>
    public ulong Link { get; init; }

    /// <summary>As <see cref="Dispatch"/>, for a target that the jump cache should hold; flags are in FlagSave.</summary>
    public ulong IndirectMiss { get; init; }

    /// <summary>Jumped to with R11 = RIP of one instruction to interpret.</summary>
    public ulong Interpret { get; init; }

    /// <summary>Called when a TLB check fails; access information and RIP follow the call.</summary>
    public ulong SlowAccess { get; init; }

    /// <summary>As <see cref="SlowAccess"/>, and vector state is loaded on return.</summary>
    public ulong SlowAccessVector { get; init; }

    /// <summary>Called to load the guest's vector state.</summary>
    public ulong LoadVector { get; init; }
}
