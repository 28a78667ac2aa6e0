using System;
using Hutch.Core.Engine;
using Hutch.Host.Events;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>Doorbells by KVM_IOEVENTFD: the kernel takes the store and signals the event.</summary>
/// <param name="vm">The machine.</param>
/// <param name="widthBytes">What the kernel compares: 0 for stores of any width.</param>
internal sealed class KvmDoorbells(KvmDescriptor vm, uint widthBytes) : IDoorbellRegistry
{
    /// <inheritdoc/>
    public IDisposable? Connect(ulong address, EventFd ring)
    {
        Doorbell doorbell = new(vm, address, widthBytes, ring);
        return doorbell.Assign(0) ? doorbell : null;
    }

    private sealed class Doorbell(KvmDescriptor vm, ulong address, uint widthBytes, EventFd ring) : IDisposable
    {
        private bool _connected;

        public bool Assign(uint flags)
        {
            KvmIoeventfd request = new() { Address = address, LengthBytes = widthBytes, EventFd = ring.Descriptor, Flags = flags };
            return _connected = vm.Try(KvmIoctl.Ioeventfd, ref request) >= 0;
        }

        public void Dispose()
        {
            if (_connected) Assign(KvmIoeventfd.Deassign);
            _connected = false;
        }
    }
}
