using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Input;

/// <summary>Makes keyboards, mice and tablets.</summary>
internal sealed class VirtioInputFactory : IDeviceFactory<VirtioInputConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioInputConfig config, MachineServices services)
    {
        VirtioInput input = config.Kind switch
        {
            VirtioInputKind.Keyboard => new VirtioKeyboard(config.Id, services.Memory),
            VirtioInputKind.Mouse => new VirtioMouse(config.Id, services.Memory),
            VirtioInputKind.Tablet => new VirtioTablet(config.Id, services.Memory),
            _ => throw new ConfigException($"The input device '{config.Id}' cannot be made: there is no kind {(int)config.Kind}; leave it out."),
        };
        IDevice device = VirtioPci.Create(input, services);
        if (input is IKeyboard keyboard) services.Input.Keyboards.Add(keyboard);
        if (input is IPointer pointer) services.Input.Pointers.Add(pointer);
        if (input is IAbsolutePointer tablet) services.Input.Tablets.Add(tablet);
        return device;
    }
}
