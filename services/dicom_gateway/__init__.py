"""The DICOM gateway: receives series by C-STORE, has them segmented through the API, and sends results back."""
