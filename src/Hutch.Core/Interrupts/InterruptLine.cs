namespace Hutch.Core.Interrupts;

/// <summary>Receives the level of numbered interrupt inputs (a GSI controller, a PCI interrupt router).</summary>
public interface IInterruptSink
{
    /// <summary>Sets the level of one input. Any thread.</summary>
    void SetLine(int input, bool asserted);
}

/// <summary>A wire from a device to an interrupt controller. The device knows its wire, never a number.</summary>
public readonly struct InterruptLine
{
    private readonly IInterruptSink? _sink;
    private readonly int _input;

    /// <summary>Connects a wire to one input of a sink.</summary>
    public InterruptLine(IInterruptSink sink, int input)
    {
        _sink = sink;
        _input = input;
    }

    /// <summary>A wire that ends nowhere.</summary>
    public static InterruptLine Unconnected => default;

    /// <summary>Sets the level. Any thread.</summary>
    public void SetLevel(bool asserted) => _sink?.SetLine(_input, asserted);

    /// <summary>Raises and lowers the wire: one edge.</summary>
    public void Pulse()
    {
        SetLevel(true);
        SetLevel(false);
    }
}
