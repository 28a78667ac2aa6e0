using Hutch.Core.State;
using Hutch.Devices.Chipset;
using Hutch.Model.Machine;

namespace Hutch.Devices.Input;

/// <summary>A keyboard and a mouse at the chipset's controller.</summary>
internal sealed class Ps2Input : IDevice
{
    private readonly I8042 _controller;
    private readonly Ps2Keyboard _keyboard;
    private readonly Ps2Mouse _mouse;

    internal Ps2Input(string name, I8042 controller, MachineServices services)
    {
        (Name, _controller) = (name, controller);
        _keyboard = new Ps2Keyboard(controller);
        _mouse = new Ps2Mouse(controller);
        controller.Plug(_keyboard, _mouse);
        // The board's own come first, wherever they stand in the definition: what was added to a machine is preferred.
        services.Input.Keyboards.Insert(0, _keyboard);
        services.Input.Pointers.Insert(0, _mouse);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public void Start() => SetRunning(true);

    /// <inheritdoc/>
    public void Stop() => SetRunning(false);

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_controller.Lock)
        {
            _keyboard.Reset();
            _mouse.Reset();
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_controller.Lock)
        {
            fields.Group("keyboard", _keyboard.Exchange);
            fields.Group("mouse", _mouse.Exchange);
        }
    }

    /// <inheritdoc/>
    public void Dispose() { }

    private void SetRunning(bool running)
    {
        _keyboard.SetRunning(running);
        _mouse.SetRunning(running);
    }
}

/// <summary>Makes keyboard and mouse.</summary>
internal sealed class Ps2InputFactory : IDeviceFactory<Ps2InputConfig>
{
    /// <inheritdoc/>
    public IDevice Create(Ps2InputConfig config, MachineServices services)
    {
        Platform platform = services.Chipset ?? throw new ConfigException($"The keyboard '{config.Id}' needs the chipset; list the platform before it.");
        if (platform.Keyboard.IsPlugged) throw new ConfigException($"The keyboard '{config.Id}' is the machine's second; leave one out.");
        return new Ps2Input(config.Id, platform.Keyboard, services);
    }
}
