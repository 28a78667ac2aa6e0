using System;
using Hutch.Core.Bus;
using Hutch.Core.Engine;
using Hutch.Devices;

namespace Hutch.Vmm.Run;

/// <summary>
/// Takes the vCPUs' accesses to the buses and the interrupt controllers. An exception that a device lets out must not cross the
/// engine's frames: it ends here, as a request to end the process, and the guest reads ones.
/// </summary>
internal sealed class MachineExits(AddressBus ports, AddressBus mmio, IInterruptControllers? controllers, Mailbox mailbox) : IVcpuExits
{
    public void ReadPort(ushort port, Span<byte> data) => Read(ports, port, data);

    public void WritePort(ushort port, ReadOnlySpan<byte> data) => Write(ports, port, data);

    public void ReadMmio(ulong address, Span<byte> data) => Read(mmio, address, data);

    public void WriteMmio(ulong address, ReadOnlySpan<byte> data) => Write(mmio, address, data);

    public void EndOfInterrupt(byte vector)
    {
        try
        {
            controllers?.EndOfInterrupt(vector);
        }
        catch (Exception defect)
        {
            Report("the interrupt controllers", defect);
        }
    }

    public int AcknowledgeExternalInterrupt()
    {
        try
        {
            return controllers?.AcknowledgeExternalInterrupt() ?? -1;
        }
        catch (Exception defect)
        {
            Report("the interrupt controllers", defect);
            return -1;
        }
    }

    private void Read(AddressBus bus, ulong address, Span<byte> data)
    {
        try
        {
            bus.Read(address, data);
        }
        catch (Exception defect)
        {
            data.Fill(0xff);
            Report($"{bus.Name} 0x{address:x}", defect);
        }
    }

    private void Write(AddressBus bus, ulong address, ReadOnlySpan<byte> data)
    {
        try
        {
            bus.Write(address, data);
        }
        catch (Exception defect)
        {
            Report($"{bus.Name} 0x{address:x}", defect);
        }
    }

    private void Report(string where, Exception defect) =>
        mailbox.Post(new MachineRequest(RequestKind.Defect, Detail: $"An access to {where} failed: {defect}"));
}
