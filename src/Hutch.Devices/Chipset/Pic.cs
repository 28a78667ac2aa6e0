using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;

namespace Hutch.Devices.Chipset;

/// <summary>
/// The PC's two cascaded 8259As with their edge/level control registers. The slave's output is input 2 of the master.
/// Its lock is taken inside device locks and the GSI controller's, and only the engine's router is called while it is held.
/// </summary>
internal sealed class Pic(IInterruptRouter router) : IByteRegisters, IStateUnit
{
    private const int SpuriousInput = 7, CascadeInput = 2;

    /// <summary>First register of each window: master, slave, ELCR.</summary>
    public const int MasterRegister = 0, SlaveRegister = 2, ElcrRegister = 4;

    // Inputs 0, 1, 2, 8 and 13 are edge-triggered whatever is written (82371AB data sheet, ELCR1 and ELCR2).
    private const byte MasterElcrMask = 0xf8, SlaveElcrMask = 0xde;

    private readonly Lock _lock = new();
    private readonly Pic8259 _master = new(isMaster: true), _slave = new(isMaster: false);
    private bool _output;

    /// <inheritdoc/>
    public string Name => "pic";

    /// <summary>Puts the registers at 0x20, 0xa0 and 0x4d0.</summary>
    public void MapOn(AddressBus ports)
    {
        ports.Map("pic master", 0x20, 2, new ByteWindow(this, MasterRegister));
        ports.Map("pic slave", 0xa0, 2, new ByteWindow(this, SlaveRegister));
        ports.Map("pic elcr", 0x4d0, 2, new ByteWindow(this, ElcrRegister));
    }

    /// <summary>Sets the level of ISA interrupt 0 to 15. Input 2 is the cascade and cannot be set.</summary>
    public void SetInput(int input, bool asserted)
    {
        if (input == CascadeInput) return;
        lock (_lock)
        {
            if (input < 8) _master.SetInput(input, asserted);
            else _slave.SetInput(input - 8, asserted);
            UpdateOutput();
        }
    }

    /// <summary>INTA cycles: returns the vector; input 7's vector where the request has gone; -1 before initialisation.</summary>
    public int Acknowledge()
    {
        lock (_lock)
        {
            if (!_master.IsInitialised) return -1;
            int input = _master.Acknowledge();
            int vector = _master.VectorOf(input < 0 ? SpuriousInput : input);
            if (input == CascadeInput)
            {
                int slaveInput = _slave.Acknowledge();
                vector = _slave.VectorOf(slaveInput < 0 ? SpuriousInput : slaveInput);
            }
            UpdateOutput();
            return vector;
        }
    }

    /// <inheritdoc/>
    public byte ReadRegister(int register)
    {
        lock (_lock)
        {
            byte value = register switch
            {
                0 or 1 => _master.Read(register == 1),
                2 or 3 => _slave.Read(register == 3),
                4 => _master.EdgeLevel,
                _ => _slave.EdgeLevel,
            };
            UpdateOutput();
            return value;
        }
    }

    /// <inheritdoc/>
    public void WriteRegister(int register, byte value)
    {
        lock (_lock)
        {
            switch (register)
            {
                case 0 or 1: _master.Write(register == 1, value); break;
                case 2 or 3: _slave.Write(register == 3, value); break;
                case 4: _master.EdgeLevel = (byte)(value & MasterElcrMask); break;
                default: _slave.EdgeLevel = (byte)(value & SlaveElcrMask); break;
            }
            UpdateOutput();
        }
    }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_lock)
        {
            _master.Reset();
            _slave.Reset();
            UpdateOutput();
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Group("master", _master.Exchange);
            fields.Group("slave", _slave.Exchange);
            UpdateOutput();
        }
    }

    private void UpdateOutput()
    {
        _master.SetInput(CascadeInput, _slave.PendingInput() >= 0);
        bool output = _master.PendingInput() >= 0;
        if (output == _output) return;
        _output = output;
        router.SetExternalInterrupt(output);
    }
}
