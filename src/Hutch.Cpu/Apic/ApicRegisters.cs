using System;
using System.Buffers.Binary;
using System.Threading;

namespace Hutch.Cpu.Apic;

/// <summary>
/// The registers of one local APIC and their two faces: the xAPIC page and the x2APIC MSRs. On the vCPU's thread, but for
/// the few words that senders look at.
/// </summary>
internal sealed class ApicRegisters(LocalApic apic, SoftVcpu vcpu)
{
    /// <summary>LVT bit 16.</summary>
    public const uint LvtMasked = 1 << 16;

    /// <summary>ESR bits.</summary>
    public const uint SendIllegalVector = 1 << 5, ReceiveIllegalVector = 1 << 6, IllegalRegister = 1 << 7;

    private const uint SoftwareEnable = 1 << 8, SvrWritable = 0x3ff, FlatModel = uint.MaxValue, IcrWritable = 0x000c_cfff, IcrBusy = 1 << 12;
    private const int LvtCount = 6, LvtMode = 7 << 8, ExtIntMode = 7 << 8;

    // Timer, thermal, performance counter, LINT0, LINT1, error: the bits that can be written.
    private static readonly uint[] LvtWritable = [0x0007_00ff, 0x0001_07ff, 0x0001_07ff, 0x0001_a7ff, 0x0001_a7ff, 0x0001_00ff];

    private readonly uint[] _lvt = new uint[LvtCount];
    private volatile ApicMode _mode;
    private volatile uint _svr, _ldr, _dfr, _xapicId;
    private uint _errors, _esr, _icrLow, _icrHigh;
    private uint _taskPriority;

    /// <summary>Any thread.</summary>
    public ApicMode Mode => _mode;

    /// <summary>Whether fixed interrupts are accepted: enabled in IA32_APIC_BASE and in SVR. Any thread.</summary>
    public bool IsSoftwareEnabled => _mode != ApicMode.Disabled && (_svr & SoftwareEnable) != 0;

    /// <summary>Whether the PIC's output reaches the processor: LINT0 unmasked as ExtINT, or no APIC. Any thread.</summary>
    public bool AcceptsExternalInterrupt
    {
        get
        {
            uint lint0 = Volatile.Read(ref _lvt[ApicRegister.LvtLint0 - ApicRegister.LvtTimer]);
            return _mode == ApicMode.Disabled || (lint0 & (LvtMasked | LvtMode)) == ExtIntMode;
        }
    }

    /// <summary>Logical destination. Any thread.</summary>
    public uint Ldr => _ldr;

    /// <summary>Destination format. Any thread.</summary>
    public uint Dfr => _dfr;

    /// <summary>The 8-bit id of xAPIC mode, which the guest can change there. Any thread.</summary>
    public uint XApicId => _xapicId;

    /// <summary>The LVT timer entry. Any thread.</summary>
    public uint LvtTimer => Volatile.Read(ref _lvt[0]);

    /// <summary>TPR. Set through <see cref="LocalApic.SetTaskPriority"/>.</summary>
    public uint TaskPriority { get => _taskPriority; set => _taskPriority = value; }

    /// <summary>State after INIT: everything but ids and mode.</summary>
    public void Reset()
    {
        _svr = 0xff;
        _taskPriority = 0;
        _errors = _esr = _icrLow = _icrHigh = 0;
        for (int i = 0; i < LvtCount; i++) Volatile.Write(ref _lvt[i], LvtMasked);
        if (_mode == ApicMode.X2Apic) return;
        _ldr = 0;
        _dfr = FlatModel;
    }

    /// <summary>IA32_APIC_BASE has a new value. Entering x2APIC mode derives the logical id; leaving the disabled state starts afresh.</summary>
    public unsafe void UpdateMode(bool resetIds)
    {
        ApicMode old = _mode, mode = ApicBase.ModeOf(vcpu.Context->ApicBase);
        _mode = mode;
        if (mode == old && !resetIds) return;
        if (resetIds || mode != ApicMode.XApic || old == ApicMode.Disabled) _xapicId = (uint)vcpu.ApicId & 0xff;
        if (old == ApicMode.Disabled && !resetIds) apic.ResetRegisters();
        if (mode == ApicMode.X2Apic) _ldr = LogicalX2ApicId(vcpu.ApicId);
        apic.Recheck();
    }

    /// <summary>The fixed logical id of x2APIC mode: cluster in the upper half, one bit of 16 in the lower (SDM 3A §11.12.10.2).</summary>
    public static uint LogicalX2ApicId(int id) => ((uint)id >> 4 << 16) | (1u << (id & 15));

    /// <summary>RDMSR 0x800 to 0x8ff. False: #GP.</summary>
    public bool ReadMsr(uint index, out ulong value)
    {
        value = 0;
        if (_mode != ApicMode.X2Apic) return false;
        int register = (int)(index - 0x800);
        if (register == ApicRegister.IcrLow)
        {
            value = ((ulong)_icrHigh << 32) | _icrLow;
            return true;
        }
        if (register is ApicRegister.Apr or ApicRegister.Rrd or ApicRegister.Dfr or ApicRegister.IcrHigh or ApicRegister.Eoi) return false;
        if (!Read(register, out uint low)) return false;
        value = low;
        return true;
    }

    /// <summary>WRMSR 0x800 to 0x8ff. False: #GP (reserved bits, read-only or missing registers).</summary>
    public bool WriteMsr(uint index, ulong value)
    {
        if (_mode != ApicMode.X2Apic) return false;
        int register = (int)(index - 0x800);
        if (register == ApicRegister.IcrLow) return WriteIcr(value);
        if (value >> 32 != 0) return false;
        uint low = (uint)value;
        switch (register)
        {
            case ApicRegister.Eoi when low == 0: apic.EndOfInterrupt(); return true;
            case ApicRegister.Esr when low == 0: LatchErrors(); return true;
            case ApicRegister.SelfIpi when low <= 0xff: SendSelf((byte)low); return true;
            case ApicRegister.Tpr when low > 0xff: return false;
            case ApicRegister.Svr when (low & ~SvrWritable) != 0: return false;
            case ApicRegister.Divide when (low & ~0xbu) != 0: return false;
            case ApicRegister.Tpr or ApicRegister.Svr or ApicRegister.Divide or ApicRegister.InitialCount: return Write(register, low);
            // Delivery status and remote IRR (bits 12, 14) are read-only rather than reserved.
            case >= ApicRegister.LvtTimer and <= ApicRegister.LvtError:
                return (low & ~(LvtWritable[register - ApicRegister.LvtTimer] | 0x5000)) == 0 && Write(register, low);
            default: return false;
        }
    }

    /// <summary>A load from the xAPIC page: bytes of the 32-bit register; what is between registers reads as zero.</summary>
    public void ReadMmio(int offset, Span<byte> data)
    {
        data.Clear();
        int within = offset & 15;
        if (within >= 4) return;
        if (!Read(offset >> 4, out uint value)) RaiseError(IllegalRegister);
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        bytes[within..Math.Min(4, within + data.Length)].CopyTo(data);
    }

    /// <summary>A store to the xAPIC page. Only aligned 32-bit stores are defined; others are dropped.</summary>
    public void WriteMmio(int offset, ReadOnlySpan<byte> data)
    {
        if ((offset & 15) != 0 || data.Length < 4) return;
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(data);
        int register = offset >> 4;
        switch (register)
        {
            case ApicRegister.Id: _xapicId = value >> 24; break;
            case ApicRegister.Eoi: apic.EndOfInterrupt(); break;
            case ApicRegister.Ldr: _ldr = value & 0xff00_0000; break;
            case ApicRegister.Dfr: _dfr = value | 0x0fff_ffff; break;
            case ApicRegister.Esr: LatchErrors(); break;
            case ApicRegister.IcrHigh: _icrHigh = value & 0xff00_0000; break;
            case ApicRegister.IcrLow:
                _icrLow = value & IcrWritable;
                Router.SendIpi(apic, _icrLow, _icrHigh >> 24, isX2Apic: false);
                break;
            default:
                if (!Write(register, value)) RaiseError(IllegalRegister);
                break;
        }
    }

    /// <summary>Records an error; the error LVT entry's interrupt tells the guest. Any thread.</summary>
    public void RaiseError(uint bit)
    {
        uint before = Interlocked.Or(ref _errors, bit);
        // The entry's own vector being illegal must not recurse.
        if ((before & bit) == 0) apic.DeliverLocal(Volatile.Read(ref _lvt[ApicRegister.LvtError - ApicRegister.LvtTimer]));
    }

    /// <summary>Registers in page layout, 16 bytes apart.</summary>
    public void Save(Span<byte> page)
    {
        page.Clear();
        for (int register = 0; register < 0x40 && register * 16 + 4 <= page.Length; register++)
            if (register != ApicRegister.SelfIpi && Read(register, out uint value)) BinaryPrimitives.WriteUInt32LittleEndian(page[(register * 16)..], value);
        BinaryPrimitives.WriteUInt32LittleEndian(page[(ApicRegister.Dfr * 16)..], _dfr);
        BinaryPrimitives.WriteUInt32LittleEndian(page[(ApicRegister.IcrHigh * 16)..], _icrHigh);
    }

    /// <summary>The reverse of <see cref="Save"/>.</summary>
    public unsafe void Restore(ReadOnlySpan<byte> page)
    {
        apic.Timer.Reset();
        _mode = ApicBase.ModeOf(vcpu.Context->ApicBase);
        bool extended = _mode == ApicMode.X2Apic;
        _xapicId = extended ? (uint)vcpu.ApicId & 0xff : Get(page, ApicRegister.Id) >> 24;
        _ldr = extended ? LogicalX2ApicId(vcpu.ApicId) : Get(page, ApicRegister.Ldr) & 0xff00_0000;
        _dfr = Get(page, ApicRegister.Dfr) | 0x0fff_ffff;
        _taskPriority = Get(page, ApicRegister.Tpr) & 0xff;
        _svr = Get(page, ApicRegister.Svr) & SvrWritable;
        _esr = Get(page, ApicRegister.Esr) & 0xff;
        _icrLow = Get(page, ApicRegister.IcrLow) & IcrWritable;
        _icrHigh = Get(page, ApicRegister.IcrHigh);
        for (int i = 0; i < LvtCount; i++) SetLvt(i, Get(page, ApicRegister.LvtTimer + i));
        for (int i = 0; i < 8; i++)
        {
            apic.Isr.SetRegister(i, Get(page, ApicRegister.Isr + i));
            apic.Tmr.SetRegister(i, Get(page, ApicRegister.Tmr + i));
            apic.Irr.SetRegister(i, Get(page, ApicRegister.Irr + i));
        }
        apic.Timer.Divide = Get(page, ApicRegister.Divide);
        apic.Timer.Restore(Get(page, ApicRegister.InitialCount), Get(page, ApicRegister.CurrentCount));

        static uint Get(ReadOnlySpan<byte> page, int register) => BinaryPrimitives.ReadUInt32LittleEndian(page[(register * 16)..]);
    }

    private ApicRouter Router => vcpu.Machine.Router;

    // Registers that both faces read alike. Write-only and missing ones: false.
    private bool Read(int register, out uint value)
    {
        bool known = true;
        value = 0;
        switch (register)
        {
            case ApicRegister.Id: value = _mode == ApicMode.X2Apic ? (uint)vcpu.ApicId : _xapicId << 24; break;
            case ApicRegister.Version: value = LocalApic.VersionValue; break;
            case ApicRegister.Tpr: value = _taskPriority; break;
            case ApicRegister.Apr or ApicRegister.Rrd or ApicRegister.Eoi: break;
            case ApicRegister.Ppr: value = (uint)apic.ProcessorPriority; break;
            case ApicRegister.Ldr: value = _ldr; break;
            case ApicRegister.Dfr: value = _dfr; break;
            case ApicRegister.Svr: value = _svr; break;
            case >= ApicRegister.Isr and < ApicRegister.Tmr: value = apic.Isr.GetRegister(register - ApicRegister.Isr); break;
            case >= ApicRegister.Tmr and < ApicRegister.Irr: value = apic.Tmr.GetRegister(register - ApicRegister.Tmr); break;
            case >= ApicRegister.Irr and < ApicRegister.Esr: value = apic.Irr.GetRegister(register - ApicRegister.Irr); break;
            case ApicRegister.Esr: value = _esr; break;
            case ApicRegister.IcrLow: value = _icrLow; break;
            case ApicRegister.IcrHigh: value = _icrHigh; break;
            case >= ApicRegister.LvtTimer and <= ApicRegister.LvtError: value = _lvt[register - ApicRegister.LvtTimer]; break;
            case ApicRegister.InitialCount: value = apic.Timer.InitialCount; break;
            case ApicRegister.CurrentCount: value = apic.Timer.CurrentCount; break;
            case ApicRegister.Divide: value = apic.Timer.Divide; break;
            default: known = false; break;
        }
        return known;
    }

    // Registers that both faces write alike; reserved bits are dropped. False: no such writable register.
    private bool Write(int register, uint value)
    {
        switch (register)
        {
            case ApicRegister.Tpr: apic.SetTaskPriority(value & 0xff); return true;
            case ApicRegister.Svr: WriteSvr(value & SvrWritable); return true;
            case ApicRegister.InitialCount: apic.Timer.InitialCount = value; return true;
            case ApicRegister.Divide: apic.Timer.Divide = value; return true;
            case >= ApicRegister.LvtTimer and <= ApicRegister.LvtError:
                SetLvt(register - ApicRegister.LvtTimer, value);
                apic.Recheck();
                return true;
            default: return false;
        }
    }

    private void WriteSvr(uint value)
    {
        _svr = value;
        if ((value & SoftwareEnable) != 0) return;
        for (int i = 0; i < LvtCount; i++) Volatile.Write(ref _lvt[i], _lvt[i] | LvtMasked);
    }

    private void SetLvt(int index, uint value)
    {
        value &= LvtWritable[index];
        if ((_svr & SoftwareEnable) == 0) value |= LvtMasked;
        Volatile.Write(ref _lvt[index], value);
        if (index == 0) apic.Timer.SetMode(value);
    }

    private bool WriteIcr(ulong value)
    {
        uint low = (uint)value & ~IcrBusy;
        if ((low & ~IcrWritable) != 0) return false;
        _icrLow = low;
        _icrHigh = (uint)(value >> 32);
        Router.SendIpi(apic, low, _icrHigh, isX2Apic: true);
        return true;
    }

    private void SendSelf(byte vector)
    {
        if (vector < 16) RaiseError(SendIllegalVector);
        else apic.Deliver(DeliveryMode.Fixed, vector, level: false);
    }

    // A write to ESR makes the errors since the last write readable.
    private void LatchErrors() => _esr = Interlocked.Exchange(ref _errors, 0);
}
