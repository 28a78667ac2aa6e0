using Hutch.Core.Engine;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter;

/// <summary>What makes a task switch happen.</summary>
internal enum TaskSwitchCause
{
    /// <summary>JMP to a TSS or task gate.</summary>
    Jump,

    /// <summary>CALL of a TSS or task gate.</summary>
    Call,

    /// <summary>An interrupt or exception through a task gate.</summary>
    Gate,

    /// <summary>IRET with NT set.</summary>
    Return,
}

/// <summary>Hardware task switches between 16 and 32-bit TSSs (Intel SDM 3A §7.3).</summary>
internal sealed unsafe class TaskSwitch(Interpreter cpu)
{
    private const ulong Cr0Ts = 8;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>What a TSS holds of a task.</summary>
    private struct Image
    {
        public fixed uint Gpr[8];
        public fixed ushort Segments[6];
        public uint Eip, Eflags, Cr3;
        public ushort Ldt;
        public bool DebugTrap;
    }

    /// <summary>
    /// Switches to the task of a TSS that the caller has checked for type, privilege and presence. False: a fault is pending; raised after the new task's registers were loaded,
    /// it belongs to the new task and RIP stays there (<see cref="Interpreter.KeepRip"/>).
    /// </summary>
    public bool Switch(int selector, in Descriptor tss, TaskSwitchCause cause, uint ext, ulong extraFlags = 0)
    {
        bool wide = tss.Type is Descriptor.Tss32 or Descriptor.BusyTss32;
        uint error = Descriptors.Error(selector, ext);
        if (tss.Limit < (wide ? 0x67u : 0x2bu)) return _vcpu.Raise(Vector.InvalidTss, error);
        ref SegmentState old = ref _c->Segments[(int)Seg.Tr];
        bool oldWide = (old.Attributes & 8) != 0;
        if (!_vcpu.Linear.ProbeWrite((uint)old.Base, oldWide ? 0x68 : 0x2c, AccessMode.Supervisor)
            || !_vcpu.Linear.ProbeWrite((uint)tss.Base, wide ? 0x68 : 0x2c, AccessMode.Supervisor)) return false;
        if (!ReadImage((uint)tss.Base, wide, out Image image)) return false;
        if (!UpdateBusyBits(old.Selector, tss, cause)) return false;

        ulong flags = _c->Rflags | extraFlags;
        if (cause == TaskSwitchCause.Return) flags &= ~Flags.Nt;
        if (!WriteImage((uint)old.Base, oldWide, flags)) return false;
        if (cause is TaskSwitchCause.Call or TaskSwitchCause.Gate)
        {
            if (!_vcpu.Linear.WriteSystem((uint)tss.Base, old.Selector)) return false;
            image.Eflags |= (uint)Flags.Nt;
        }
        old = new Descriptor(tss.Raw | (2UL << 40), tss.Address).ToSegment(selector);
        old.Attributes |= 2;
        _c->Cr0 |= Cr0Ts;
        return Enter(image, wide);
    }

    private bool UpdateBusyBits(int oldSelector, in Descriptor tss, TaskSwitchCause cause)
    {
        if (cause is TaskSwitchCause.Jump or TaskSwitchCause.Return)
        {
            if (!cpu.Descriptors.TryRead(oldSelector, 8, out bool outside, out Descriptor previous))
            {
                if (!outside) return false;
            }
            else if (!cpu.Descriptors.SetBusy(previous, busy: false)) return false;
        }
        return cause == TaskSwitchCause.Return || cpu.Descriptors.SetBusy(tss, busy: true);
    }

    private bool ReadImage(uint at, bool wide, out Image image)
    {
        Image local = default;
        byte* raw = stackalloc byte[0x68];
        image = default;
        if (!_vcpu.Linear.Read(at, raw, wide ? 0x68 : 0x2c, AccessMode.Supervisor)) return false;
        // SAFETY: every offset lies within the 0x68 or 0x2c bytes that were read.
        if (wide)
        {
            local.Cr3 = *(uint*)(raw + 0x1c);
            local.Eip = *(uint*)(raw + 0x20);
            local.Eflags = *(uint*)(raw + 0x24);
            for (int n = 0; n < 8; n++) local.Gpr[n] = *(uint*)(raw + 0x28 + n * 4);
            for (int n = 0; n < 6; n++) local.Segments[n] = *(ushort*)(raw + 0x48 + n * 4);
            local.Ldt = *(ushort*)(raw + 0x60);
            local.DebugTrap = (raw[0x64] & 1) != 0;
        }
        else
        {
            local.Eip = *(ushort*)(raw + 0x0e);
            local.Eflags = *(ushort*)(raw + 0x10);
            for (int n = 0; n < 8; n++) local.Gpr[n] = *(ushort*)(raw + 0x12 + n * 2) | 0xffff_0000;
            for (int n = 0; n < 4; n++) local.Segments[n] = *(ushort*)(raw + 0x22 + n * 2);
            local.Ldt = *(ushort*)(raw + 0x2a);
        }
        image = local;
        return true;
    }

    private bool WriteImage(uint at, bool wide, ulong flags)
    {
        byte* raw = stackalloc byte[0x68];
        AccessMode mode = AccessMode.Supervisor;
        if (wide)
        {
            *(uint*)(raw + 0x20) = (uint)_c->Rip;
            *(uint*)(raw + 0x24) = (uint)flags;
            for (int n = 0; n < 8; n++) *(uint*)(raw + 0x28 + n * 4) = (uint)_c->Gpr[n];
            for (int n = 0; n < 6; n++) *(uint*)(raw + 0x48 + n * 4) = _c->Segments[n].Selector;
            return _vcpu.Linear.Write(at + 0x20, raw + 0x20, 0x40, mode);
        }
        *(ushort*)(raw + 0x0e) = (ushort)_c->Rip;
        *(ushort*)(raw + 0x10) = (ushort)flags;
        for (int n = 0; n < 8; n++) *(ushort*)(raw + 0x12 + n * 2) = (ushort)_c->Gpr[n];
        for (int n = 0; n < 4; n++) *(ushort*)(raw + 0x22 + n * 2) = _c->Segments[n].Selector;
        return _vcpu.Linear.Write(at + 0x0e, raw + 0x0e, 0x2a - 0x0e, mode);
    }

    private bool Enter(in Image image, bool wide)
    {
        if (wide && (_c->Cr0 >> 31) != 0) cpu.Control.LoadPageTable(image.Cr3);
        for (int n = 0; n < 8; n++) _c->Gpr[n] = image.Gpr[n];
        _c->Rip = image.Eip;
        _c->Rflags = image.Eflags;
        bool vm = wide && (image.Eflags & Flags.Vm) != 0;
        if (!wide) _c->SystemFlags &= ~(uint)Flags.Vm;
        cpu.KeepRip();
        _c->Dr[7] &= ~0x155UL;
        for (int n = 0; n < 6; n++)
        {
            // Until each is loaded, a register holds its selector and cannot be used.
            _c->Segments[n] = Segments.Null(image.Segments[n]);
        }
        _c->Segments[(int)Seg.Ldtr] = Segments.Null(image.Ldt);
        if (vm)
        {
            _c->Cpl = 3;
            for (int n = 0; n < 6; n++) cpu.Segments.LoadReal((Seg)n, image.Segments[n]);
            _vcpu.UpdateMode();
            return LoadLdt(image.Ldt) && Finish(image);
        }
        _c->Cpl = (byte)(image.Segments[(int)Seg.Cs] & 3);
        _vcpu.UpdateMode();
        return LoadLdt(image.Ldt) && LoadSegments(image) && Finish(image);
    }

    private bool Finish(in Image image)
    {
        _vcpu.UpdateMode();
        if (image.Eip > _c->Segments[(int)Seg.Cs].Limit) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (image.DebugTrap) cpu.Debug.RaiseTaskTrap();
        return true;
    }

    private bool LoadLdt(int selector)
    {
        if ((selector & 0xfffc) == 0) return true;
        if ((selector & 4) != 0) return _vcpu.Raise(Vector.InvalidTss, Descriptors.Error(selector, 0));
        if (!cpu.Descriptors.Read(selector, Vector.InvalidTss, 0, out Descriptor d)) return false;
        if (d.IsSegment || d.Type != Descriptor.Ldt || !d.Present) return _vcpu.Raise(Vector.InvalidTss, Descriptors.Error(selector, 0));
        _c->Segments[(int)Seg.Ldtr] = d.ToSegment(selector);
        return true;
    }

    private bool LoadSegments(in Image image)
    {
        int cs = image.Segments[(int)Seg.Cs];
        uint error = Descriptors.Error(cs, 0);
        if ((cs & 0xfffc) == 0) return _vcpu.Raise(Vector.InvalidTss, 0);
        if (!cpu.Descriptors.Read(cs, Vector.InvalidTss, 0, out Descriptor code)) return false;
        if (!code.IsCode || (code.IsConforming ? code.Dpl > _c->Cpl : code.Dpl != _c->Cpl)) return _vcpu.Raise(Vector.InvalidTss, error);
        if (!code.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        if (!cpu.Descriptors.MarkAccessed(code)) return false;
        _c->Segments[(int)Seg.Cs] = code.ToSegment(cs);
        _vcpu.UpdateMode();
        if (!cpu.Segments.PrepareStack(image.Segments[(int)Seg.Ss], _c->Cpl, Vector.InvalidTss, 0, out SegmentState ss)) return false;
        _c->Segments[(int)Seg.Ss] = ss;
        foreach (Seg segment in (System.ReadOnlySpan<Seg>)[Seg.Es, Seg.Ds, Seg.Fs, Seg.Gs])
        {
            if (!cpu.Segments.PrepareData(image.Segments[(int)segment], _c->Cpl, Vector.InvalidTss, 0, out SegmentState data)) return false;
            _c->Segments[(int)segment] = data;
        }
        return true;
    }
}
