using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Gpu;

/// <summary>Makes the GPU device.</summary>
internal sealed class VirtioGpuFactory : IDeviceFactory<VirtioGpuConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioGpuConfig config, MachineServices services)
    {
        if (config.Width is < VirtioGpuConfig.LeastSide or > VirtioGpuConfig.MostWidth || config.Height is < VirtioGpuConfig.LeastSide or > VirtioGpuConfig.MostHeight)
            throw new ConfigException($"The display '{config.Id}' cannot have {config.Width} by {config.Height} pixels; give it from {VirtioGpuConfig.LeastSide} to {VirtioGpuConfig.MostWidth} by {VirtioGpuConfig.MostHeight}.");
        VirtioGpu gpu = new(config, services);
        IDevice device = VirtioPci.Create(gpu, services);
        services.Screens.Add(gpu.Display);
        return device;
    }
}
