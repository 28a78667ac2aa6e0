namespace Hutch.Cpu.Mmu;

/// <summary>Protection keys of user pages (Intel SDM 3A §4.6.2): PKRU and what it forbids. The vCPU's thread, or while it is stopped.</summary>
internal sealed unsafe class ProtectionKeys(SoftVcpu vcpu)
{
    private const ulong Cr0Wp = 1 << 16, Cr4Pke = 1 << 22, EferLma = 1 << 10;
    private const int KeyShift = 59;
    private const uint AccessDisable = 1, WriteDisable = 2, FirstKey = 3;

    // A page with a key other than 0 has been translated: only then the TLBs can hold rights that other keys decide.
    private bool _others;

    /// <summary>PKRU: two bits for each key.</summary>
    public uint Pkru { get; private set; }

    private bool AreOn => (vcpu.Context->Cr4 & Cr4Pke) != 0 && (vcpu.Context->Efer & EferLma) != 0;

    /// <summary>Replaces PKRU and drops the translations that it has a say in.</summary>
    public void Write(uint value)
    {
        uint changed = Pkru ^ value;
        Pkru = value;
        if (!AreOn || ((changed & FirstKey) == 0 && (changed == 0 || !_others))) return;
        vcpu.Contexts.FlushAll();
        _others = false;
    }

    /// <summary>Whether the key of a user page allows a data access. Instruction fetches do not ask.</summary>
    /// <param name="leaf">The entry that maps the page.</param>
    /// <param name="isWrite">A store.</param>
    /// <param name="isUser">An access at CPL 3.</param>
    public bool Allow(ulong leaf, bool isWrite, bool isUser)
    {
        if (!AreOn) return true;
        int key = (int)(leaf >> KeyShift) & 15;
        _others |= key != 0;
        uint rights = Pkru >> (2 * key);
        if ((rights & AccessDisable) != 0) return false;
        return !isWrite || (rights & WriteDisable) == 0 || (!isUser && (vcpu.Context->Cr0 & Cr0Wp) == 0);
    }
}
